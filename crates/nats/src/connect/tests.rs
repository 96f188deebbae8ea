use super::*;

#[test]
fn what_cannot_be_meant_is_said_before_anything_is_tried() {
    let problem = |url: &str| Connect::new(url).check().unwrap_err().to_string();
    assert!(problem("ws://127.0.0.1:4222").contains("neither with nats://"));
    assert!(problem("http://127.0.0.1:4222").contains("write nats://HOST:4222"));
    let secret = problem("nats://desk:hunter2@127.0.0.1:4222");
    assert!(secret.contains("has a secret in it") && !secret.contains("hunter2"), "{secret}");
    assert!(problem("nats://").contains("write nats://HOST:4222"));
    let missing = Connect::new("nats://h:4222").credentials(Credentials::Nkey("/no/such".into()));
    assert!(missing.check().unwrap_err().to_string().starts_with("/no/such: "));
    assert!(Connect::new("nats://a:4222,tls://b:4222").check().is_ok());
}
