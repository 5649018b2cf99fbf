//! What a kernel is handed: the structures of `kernels/abi.cuh`, field by field.
//!
//! Addresses are the device's. Numbers of padding are written out, so that every byte is known.

use bytemuck::{Pod, Zeroable};

/// A device address.
pub type Address = u64;

/// A category of no number.
pub const HOT_NONE: u32 = u32::MAX;

/// Declares structures that are plain bytes.
macro_rules! plain {
    ($($(#[$words:meta])* struct $name:ident { $($field:ident: $kind:ty,)* })*) => {$(
        $(#[$words])*
        #[derive(Clone, Copy, Debug, Pod, Zeroable)]
        #[repr(C)]
        pub struct $name { $(pub $field: $kind,)* }
    )*};
}

plain! {
    /// What is done to a number on its way into a finished row.
    struct Stage {
        kind: u32,
        a: f32,
        b: f32,
    }

    /// One column of the finished rows.
    struct Column {
        at: u32,
        hot: u32,
        first_stage: u32,
        stages: u32,
    }

    struct Assemble {
        count: Address,
        raw: Address,
        rows: Address,
        columns: Address,
        stages: Address,
        raw_width: u32,
        width: u32,
    }

    /// Trees whose nodes fit together into shared memory.
    struct Group {
        first_tree: u32,
        trees: u32,
        first_node: u32,
        nodes: u32,
    }

    struct Set {
        kind: u32,
        length: u32,
        first: u64,
    }

    struct Walk {
        count: Address,
        rows: Address,
        nodes: Address,
        trees: Address,
        groups: Address,
        leaves: Address,
        width: u32,
        tree_count: u32,
        shift: u32,
        capacity: u32,
        row_tile: u32,
        tree_tile: u32,
    }

    struct WalkWide {
        count: Address,
        rows: Address,
        nodes: Address,
        trees: Address,
        sets: Address,
        set_words: Address,
        leaves: Address,
        width: u32,
        tree_count: u32,
        capacity: u32,
        row_tile: u32,
        tree_tile: u32,
        unused: u32,
    }

    struct Finish {
        count: Address,
        leaves: Address,
        weights: Address,
        target_trees: Address,
        target_from: Address,
        ranges: Address,
        votes: Address,
        base: Address,
        margins: Address,
        answers: Address,
        labels: Address,
        divisor: f64,
        scale: f64,
        limit: f64,
        capacity: u32,
        tree_count: u32,
        targets: u32,
        width: u32,
        form: u32,
        aggregate: u32,
        head: u32,
        link: u32,
        single: u32,
        threshold: f32,
        row_tile: u32,
        unused: u32,
    }

    struct Layer {
        weights: Address,
        bias: Address,
        inputs: u32,
        outputs: u32,
        activation: u32,
        alpha: f32,
        beta: f32,
        unused: u32,
    }

    struct Network {
        count: Address,
        rows: Address,
        answers: Address,
        layers: Address,
        layer_count: u32,
        widest: u32,
        row_tile: u32,
        unused: u32,
    }

    struct Dense {
        count: Address,
        from: Address,
        to: Address,
        layer: Layer,
    }

    struct SoftmaxRows {
        count: Address,
        rows: Address,
        width: u32,
        log: u32,
    }
}

/// Rows and outputs of a tile of the kernel `dense`.
pub const DENSE_ROWS: u32 = 32;
pub const DENSE_OUTPUTS: u32 = 64;

/// The parameter of a launch, as words.
pub fn words<T: Pod>(parameter: &T) -> Vec<u64> {
    let mut words = vec![0u64; size_of::<T>().div_ceil(8)];
    bytemuck::cast_slice_mut::<u64, u8>(&mut words)[..size_of::<T>()].copy_from_slice(bytemuck::bytes_of(parameter));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const HEADER: &str = include_str!("kernels/abi.cuh");

    /// The fields of each structure of the header, in order.
    fn declared() -> HashMap<&'static str, Vec<&'static str>> {
        let parts = HEADER.split("\nstruct ").skip(1);
        let fields = |body: &'static str| {
            let lines = body.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
            lines.filter_map(|line| line.strip_suffix(';')?.split_whitespace().last()).collect()
        };
        parts
            .filter_map(|part| part.split_once(" {"))
            .map(|(name, rest)| (name, fields(rest.split("\n}").next().unwrap_or_default())))
            .collect()
    }

    /// The fields as `Debug` lists them, in order, without padding at the end.
    fn mirrored<T: Pod + std::fmt::Debug>(name: &str) -> Vec<String> {
        let text = format!("{:?}", T::zeroed());
        let body = text.strip_prefix(name).unwrap_or_default().trim_matches([' ', '{', '}']);
        let mut depth = 0;
        let mut fields = vec![String::new()];
        for letter in body.chars() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => fields.push(String::new()),
                _ => {}
            }
            fields.last_mut().expect("there is one").push(letter);
        }
        let named = fields.iter().filter_map(|field| field.trim_start_matches([',', ' ']).split(':').next());
        named.filter(|field| *field != "unused").map(str::to_owned).collect()
    }

    fn same<T: Pod + std::fmt::Debug>(name: &str) {
        let header: Vec<&str> = declared()[name].iter().copied().filter(|field| *field != "unused").collect();
        assert_eq!(mirrored::<T>(name), header, "{name}");
        assert_eq!(size_of::<T>() % 4, 0);
    }

    #[test]
    fn structures_have_the_fields_of_the_header_in_their_order() {
        same::<Stage>("Stage");
        same::<Column>("Column");
        same::<Assemble>("Assemble");
        same::<Group>("Group");
        same::<Set>("Set");
        same::<Walk>("Walk");
        same::<WalkWide>("WalkWide");
        same::<Finish>("Finish");
        same::<Layer>("Layer");
        same::<Network>("Network");
        same::<Dense>("Dense");
        same::<SoftmaxRows>("SoftmaxRows");
    }

    #[test]
    fn a_parameter_is_whole_words() {
        assert_eq!(words(&Finish::zeroed()).len() * 8, size_of::<Finish>());
        assert_eq!((size_of::<Finish>(), size_of::<Walk>(), size_of::<Dense>()), (160, 72, 64));
    }
}
