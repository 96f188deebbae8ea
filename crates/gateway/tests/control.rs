//! The control plane, and the document that describes it.

mod serving;

use serde_json::{Value, json};
use serving::{Answer, Serving, ask};

/// What the document says, to be held against what is answered.
struct Document(Value);

impl Document {
    fn of(run: &Serving) -> Self {
        let document = ask(&run.control, &request("GET", "/openapi.json", "127.0.0.1", ""));
        Self(serde_json::from_str(&document.body).expect("JSON"))
    }

    /// Says what is wrong with an answer; the same answer if it is as described.
    fn hold(&self, method: &str, path: &str, answer: Answer) -> Answer {
        let responses = &self.0["paths"][path][method.to_lowercase()]["responses"];
        let mut response = &responses[answer.status.to_string()];
        assert!(!response.is_null(), "{method} {path} answers {answer:?}, which is not described");
        if let Some(name) = response["$ref"].as_str() {
            response =
                self.0.pointer(name.trim_start_matches('#')).expect("it refers to something");
        }
        let mut schema = response["content"]["application/json"]["schema"].clone();
        assert!(answer.head.contains("content-type: application/json"), "{answer:?}");
        schema["components"] = self.0["components"].clone();
        let schema = jsonschema::validator_for(&schema).expect("a schema");
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        let problems: Vec<_> = schema.iter_errors(&body).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{method} {path}: {problems:?} in {body}");
        answer
    }
}

fn request(method: &str, path: &str, host: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{kind}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn everything_that_the_document_describes_is_so() {
    let mut run = Serving::start(&[]);
    let document = Document::of(&run);
    let to = |method: &str, path: &str, body: &str| {
        let answer = ask(&run.control, &request(method, path, "localhost:1", body));
        document.hold(method, path, answer)
    };
    let json = |answer: Answer| -> Value { serde_json::from_str(&answer.body).expect("JSON") };
    let pipeline = || json(to("GET", "/pipeline", ""));
    let of = |name: &str| -> Value {
        let state = pipeline();
        let consumers = state["consumers"].as_array().expect("a list");
        consumers.iter().find(|one| one["consumer"] == name).cloned().unwrap_or(Value::Null)
    };
    let command = |command: Value| {
        let answer = to("POST", "/commands", &command.to_string());
        let status = answer.status;
        (status, json(answer))
    };

    let before = pipeline();
    assert_eq!(before["consumers"].as_array().map(Vec::len), Some(10));
    assert_eq!(before["merge_rules"].as_array().map(Vec::len), Some(2));
    let (status, flipped) = command(json!("flip"));
    assert_eq!((status, &flipped["outcome"]), (200, &json!("applied")));
    assert_eq!(flipped["version"].as_u64(), before["version"].as_u64().map(|version| version + 1));
    assert_eq!(of("recorder")["min_version"], flipped["version"], "a flip raises every gate");

    let least = json!({"set-min-version": {"consumer": "recorder", "version": 1}});
    assert_eq!(command(least).0, 200);
    assert_eq!(of("recorder")["min_version"], 1);
    assert_eq!(command(json!({"pause": {"consumer": "slow"}})).0, 200);
    assert_eq!(of("slow")["paused"], true);
    assert_eq!(command(json!({"resume": {"consumer": "slow"}})).0, 200);
    assert_eq!(of("slow")["paused"], false);
    assert_eq!(command(json!({"set-inline": {"consumer": "tape", "inline": true}})).0, 200);
    assert_eq!(of("tape")["inline"], true);
    assert_eq!(command(json!({"set-inline": {"consumer": "tape", "inline": false}})).0, 200);
    assert_eq!(command(json!({"remove-merge": {"rule": "depth"}})).0, 200);
    assert_eq!(pipeline()["merge_rules"].as_array().map(Vec::len), Some(1));

    assert_eq!(command(json!({"unsubscribe": {"consumer": "books"}})).0, 200);
    assert_eq!(of("books"), Value::Null);

    let (status, refused) = command(json!({"pause": {"consumer": "nobody"}}));
    assert_eq!((status, &refused["outcome"]), (409, &json!("rejected")));
    assert!(
        refused["detail"].as_str().is_some_and(|detail| detail.contains("nobody")),
        "{refused}"
    );
    let ahead = json!({"set-min-version": {"consumer": "tape", "version": u64::MAX}});
    assert_eq!(command(ahead).0, 409);

    let version = pipeline()["version"].clone();
    // The mistakes of whoever sends them, and of whoever should not.
    for (status, method, path, body) in [
        (400, "POST", "/commands", "{"),
        (400, "POST", "/commands", "\"stop\""),
        (400, "POST", "/commands", "{\"pause\":{\"consumer\":\"a\",\"b\":1}}"),
        (413, "POST", "/commands", &format!("\"{}\"", "x".repeat(70_000))),
        (415, "POST", "/commands", ""),
    ] {
        assert_eq!(to(method, path, body).status, status, "{method} {path} {body:.40}");
    }
    for (method, path) in [("GET", "/commands"), ("POST", "/pipeline"), ("DELETE", "/openapi.json")]
    {
        assert_eq!(ask(&run.control, &request(method, path, "[::1]", "")).status, 405);
    }
    assert_eq!(ask(&run.control, &request("GET", "/", "127.0.0.1", "")).status, 404);
    // A page of elsewhere: by a name that was made to lead here, or with a kind that needs no leave.
    let flip = request("POST", "/commands", "evil.example:9465", "\"flip\"");
    assert_eq!(document.hold("POST", "/commands", ask(&run.control, &flip)).status, 421);
    let flip = request("POST", "/commands", "127.0.0.1", "\"flip\"")
        .replace("application/json", "text/plain");
    assert_eq!(document.hold("POST", "/commands", ask(&run.control, &flip)).status, 415);
    assert!(
        !ask(&run.control, &request("OPTIONS", "/commands", "127.0.0.1", ""))
            .head
            .contains("access-control")
    );
    assert_eq!(pipeline()["version"], version, "none of these was a flip");
    // Both control events of each command were handed on, and nothing critical was lost by any of it.
    let summary = run.end();
    assert_eq!(summary["critical"]["lost"], 0);
    assert_eq!(summary["critical"]["delivered"], summary["critical"]["expected"]);
}
