//! Makes the gRPC messages and services from `proto/`, with no `protoc` on the machine.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["inference.proto", "health.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        // Raw tensors stay where the message was read.
        .bytes(".")
        .codec_path("crate::front::grpc::Codec")
        .compile_fds(files)?;
    Ok(())
}
