use super::*;

#[test]
fn only_what_names_this_machine_does() {
    for host in [
        "127.0.0.1",
        "127.0.0.1:9465",
        "localhost:1",
        "LOCALHOST",
        "[::1]:9465",
        "[::1]",
        "127.9.9.9",
    ] {
        assert!(is_this_machine(host), "{host}");
    }
    for host in [
        "",
        "evil.example",
        "evil.example:9465",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.7:9465",
        "[::2]",
        "0.0.0.0",
        ":",
        "127.0.0.1:x",
    ] {
        assert!(!is_this_machine(host), "{host}");
    }
}

/// The names of all commands, as the refusal of what is none lists them.
fn names() -> Vec<String> {
    let refused =
        serde_json::from_str::<RemoteCommand>("\"?\"").expect_err("it is none").to_string();
    let (_, list) = refused.split_once("expected one of ").expect("a list");
    let mut names: Vec<_> = list.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn the_document_describes_each_command_and_no_other() {
    let document: serde_json::Value =
        serde_json::from_str(include_str!("../openapi.json")).expect("JSON");
    let examples = &document["paths"]["/commands"]["post"]["requestBody"]["content"]["application/json"]
        ["examples"];
    let examples = examples.as_object().expect("examples");
    assert_eq!(examples.keys().cloned().collect::<Vec<_>>(), names());
    let choices = document["components"]["schemas"]["Command"]["oneOf"].as_array();
    assert_eq!(choices.map(Vec::len), Some(examples.len()));
    let schema =
        jsonschema::validator_for(&with_definitions(&document, "Command")).expect("a schema");
    for (name, example) in examples {
        let example = &example["value"];
        assert!(example.as_str() == Some(name) || example.get(name).is_some(), "{name}: {example}");
        assert!(schema.is_valid(example), "{example}");
        let command: RemoteCommand = serde_json::from_value(example.clone()).expect("a command");
        assert_eq!(&serde_json::to_value(command).expect("JSON"), example);
    }
    for other in [
        serde_json::json!("stop"),
        serde_json::json!({"pause": {}}),
        serde_json::json!({"pause": {"consumer": "a", "more": 1}}),
        serde_json::json!({"set-min-version": {"consumer": "a", "version": -1}}),
        serde_json::json!({"pause": {"consumer": "a"}, "resume": {"consumer": "a"}}),
    ] {
        assert!(!schema.is_valid(&other), "{other}");
        assert!(serde_json::from_value::<RemoteCommand>(other.clone()).is_err(), "{other}");
    }
}

/// A schema of the document, with all that it refers to.
fn with_definitions(document: &serde_json::Value, name: &str) -> serde_json::Value {
    let mut schema = document["components"]["schemas"][name].clone();
    schema["components"] = document["components"].clone();
    schema
}
