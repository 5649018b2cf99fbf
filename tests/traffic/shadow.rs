//! Shadows: they see what callers send, and callers see nothing of them.

use crate::common::client::Request;
use crate::common::garden::until;
use crate::{CUSTOMER, PREDICT, TRAFFIC, put, serve};
use serde_json::json;

#[test]
fn a_shadow_is_compared_row_by_row_and_changes_no_answer() {
    let server = serve(None);
    let ask = || {
        let reply = server.client().ask(&Request::post(PREDICT, CUSTOMER).with("x-prediction-id", "same"));
        assert_eq!(reply.status, 200, "{reply}");
        reply.body
    };
    let before = ask();
    put(&server, "PUT", TRAFFIC, json!({"shadow": [{"version": "challenger"}, {"version": "1", "sample": 1.0}]}));
    for _ in 0..50 {
        assert_eq!(ask(), before);
    }
    let report = until("all compared", || {
        let report = put(&server, "GET", "/api/models/churn/experiment", "");
        let seen = |at: usize| {
            let shadow = &report["shadows"][at];
            shadow["requests"].as_u64().unwrap_or(0) + shadow["dropped"].as_u64().unwrap_or(0)
        };
        (seen(0) == 50 && seen(1) == 50).then_some(report)
    });
    let [other, same] = [&report["shadows"][0], &report["shadows"][1]];
    assert_eq!((&other["failed"], &other["answered_by"]), (&json!(0), &json!("2")), "{report}");
    if same["requests"].as_u64() > Some(0) {
        assert_eq!((&same["agreement"]["share"], &same["difference"]["largest"]), (&json!(1.0), &json!(0.0)), "{same}");
    }
    if other["requests"].as_u64() > Some(0) {
        assert!(other["difference"]["largest"].as_f64() > Some(0.0), "two models: {other}");
        assert_eq!(other["examples"][0]["input"]["contract"], json!(["month-to-month"]), "{other}");
    }
    let text = String::from_utf8(server.admin().ask(&Request::get("/metrics")).body).expect("text");
    assert!(
        text.contains("tidegate_shadow_requests_total{model=\"churn\",version=\"challenger\",result=\"compared\"}")
    );
    put(&server, "PUT", TRAFFIC, json!({}));
    assert_eq!(ask(), before);
    server.stop();
}
