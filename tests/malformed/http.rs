//! Requests that are wrong before their JSON is looked at: path, method, headers, size, end.

use super::{INFER, MAX_BODY, PREDICT, Request, Row, WINE};

pub fn rows() -> Vec<Row> {
    [methods(), paths(), names(), escapes(), headers(), sizes()].into_iter().flatten().collect()
}

fn methods() -> Vec<Row> {
    let bad = |method: &str, path: &str, word| {
        Row::new(&format!("{method} {path}"), Request::new(method, path, ""), 405, word)
    };
    vec![
        bad("GET", PREDICT, "POST"),
        bad("PUT", PREDICT, "POST"),
        bad("DELETE", PREDICT, "POST"),
        bad("PATCH", "/predict", "POST"),
        bad("OPTIONS", INFER, "POST"),
        bad("TRACE", INFER, "POST"),
        bad("post", PREDICT, "POST"),
        bad("BREW", PREDICT, "POST"),
        bad("POST", "/v2", "GET, HEAD"),
        bad("POST", "/livez", "GET, HEAD"),
        bad("DELETE", "/v2/models/wine", "GET, HEAD"),
        bad("POST", "/", "GET, HEAD"),
        bad("GET", "/v2/repository/index", "POST"),
        bad("GET", "/v1/models/wine:predict", "POST"),
    ]
}

fn paths() -> Vec<Row> {
    let bad = |path: &str| Row::new(&format!("POST to {path}"), Request::post(path, WINE), 404, "no such path");
    let mut rows: Vec<Row> = [
        "//",
        "/predict/",
        "/Predict",
        "/v3",
        "/models/wine",
        "/models/wine/predict/now",
        "/models/wine/versions/predict",
        "/models/wine/../wine/predict",
        "/v2/models/wine/explain",
        "/v2/models/wine/versions/1/infer/now",
        "/v2/repository/indices",
        "/a/b/c/d/e/f/g/h/i/j",
        "/metrics",
        "*",
    ]
    .into_iter()
    .map(bad)
    .collect();
    let long = Request::post(&format!("/{}", "long/".repeat(1000)), WINE);
    let method = Request::new("PUT", &format!("/models/{}/predict", "long".repeat(10_000)), "");
    rows.push(Row::new("a long path with a wrong method", method, 405, "POST"));
    rows.push(Row::new("a long path", long, 404, "no such path"));
    rows
}

fn names() -> Vec<Row> {
    let bad = |path: &str, word| Row::new(&format!("names in {path}"), Request::post(path, WINE), 404, word);
    vec![
        bad("/models/nonesuch/predict", "unknown model"),
        bad("/models/wnie/predict", "did you mean 'wine'"),
        bad("/models/WINE/predict", "unknown model"),
        bad("/models//predict", "unknown model"),
        bad("/v2/models/nonesuch/infer", "unknown model"),
        bad("/models/wine/versions/99/predict", "unknown version"),
        bad("/models/wine/versions//predict", "unknown version"),
        bad("/models/wine/versions/-1/predict", "unknown version"),
        bad("/models/wine/versions/1.0/predict", "unknown version"),
        bad("/models/wine/versions/18446744073709551616/predict", "unknown version"),
        bad("/models/churn/versions/nonesuch/predict", "champion"),
        bad("/models/wine/versions/champion/predict", "unknown version"),
        bad("/v2/models/wine/versions/99/infer", "unknown version"),
        bad("/predict", "default-model"),
    ]
}

fn escapes() -> Vec<Row> {
    let bad =
        |path: &str, status, word| Row::new(&format!("escapes in {path}"), Request::post(path, WINE), status, word);
    vec![
        bad("/models/%zz/predict", 400, "percent-encoded"),
        bad("/models/wine%/predict", 400, "percent-encoded"),
        bad("/models/wine%2/predict", 400, "percent-encoded"),
        bad("/models/%ff%fe/predict", 400, "percent-encoded"),
        bad("/v2/models/wine/versions/%c0%af/infer", 400, "percent-encoded"),
        bad("/models/%00/predict", 404, "unknown model"),
        bad("/models/..%2fwine/predict", 404, "unknown model"),
        bad("/models/%0d%0aset-cookie:%20a/predict", 404, "unknown model"),
    ]
}

fn headers() -> Vec<Row> {
    let bad = |name: &str, value: &str, status, word| {
        Row::new(&format!("{name}: {value}"), Request::post(PREDICT, WINE).with(name, value), status, word)
    };
    let binary = Request::post(INFER, "{}").with("inference-header-content-length", "3");
    vec![
        bad("content-type", "text/plain", 415, "content-type"),
        bad("content-type", "text/csv; header=present", 415, "content-type"),
        bad("content-type", "application/octet-stream", 415, "content-type"),
        bad("content-type", "multipart/form-data; boundary=x", 415, "content-type"),
        bad("content-type", "application/jsonlines", 415, "content-type"),
        bad("content-encoding", "gzip", 400, "content-encoding"),
        bad("content-encoding", "deflate", 400, "content-encoding"),
        bad("content-encoding", "zstd", 415, "content-encoding"),
        bad("content-encoding", "br, gzip", 415, "content-encoding"),
        bad("x-timeout-ms", "soon", 400, "x-timeout-ms"),
        bad("x-timeout-ms", "0", 400, "x-timeout-ms"),
        bad("x-timeout-ms", "-5", 400, "x-timeout-ms"),
        bad("x-timeout-ms", "1.5", 400, "x-timeout-ms"),
        bad("x-timeout-ms", "", 400, "x-timeout-ms"),
        bad("x-timeout-ms", "99999999999999999999", 400, "x-timeout-ms"),
        Row::new("a JSON length beyond the body", binary, 400, "inference-header-content-length"),
    ]
}

fn sizes() -> Vec<Row> {
    let large = vec![b' '; MAX_BODY + 1];
    let allowed = vec![b' '; MAX_BODY];
    vec![
        Row::new("a body at the limit", Request::post(PREDICT, allowed.clone()), 400, "end of the text"),
        Row::new("a large body to no path", Request::post("/v3", allowed.clone()), 404, "no such path"),
        Row::new("a large body by a wrong method", Request::new("PUT", PREDICT, allowed), 405, "POST"),
        Row::new("a body beyond the limit", Request::post(PREDICT, large.clone()), 413, "max-body"),
        Row::new("chunks beyond the limit", Request::post(PREDICT, large.clone()).chunked(64 << 10), 413, "max-body"),
        Row::new(
            "one chunk beyond the limit",
            Request::post(INFER, large.clone()).chunked(large.len()),
            413,
            "max-body",
        ),
        Row::new(
            "a length beyond the limit",
            Request::post(PREDICT, "").with("content-length", "9000000000000000000"),
            413,
            "max-body",
        ),
    ]
}
