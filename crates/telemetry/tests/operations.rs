//! What `docs/operations` asks Prometheus is there: its metrics, their labels, and a section of the runbook for each alert.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use meltica_telemetry::{Family, Kind, families};
use serde_json::Value;

/// What Prometheus itself adds to each series.
const EVERYWHERE: [&str; 2] = ["job", "instance"];
/// Where the runbook is.
const RUNBOOK: &str = "https://github.com/coachpo/meltica/blob/main/docs/operations/runbook.md#";
/// Words of PromQL that are neither a metric nor a function.
const WORDS: [&str; 5] = ["and", "or", "unless", "offset", "bool"];
/// What is followed by labels in parentheses.
const BY_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// A page of `docs/operations`; a crate that was packed by itself has none.
fn page(name: &str) -> Option<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations");
    if !std::path::Path::new(folder).exists() {
        return None;
    }
    Some(fs::read_to_string(format!("{folder}/{name}")).unwrap_or_else(|e| panic!("{name}: {e}")))
}

/// What an expression asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query<'a> {
    /// Each metric, and the labels that are matched on it.
    metrics: Vec<(&'a str, Vec<&'a str>)>,
    /// Labels by which is aggregated or joined.
    grouped: Vec<&'a str>,
}

/// A piece of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a str),
    Other(char),
}

/// Names and signs, without numbers, strings and ranges.
fn tokens(expression: &str) -> Vec<Token<'_>> {
    let mut tokens = vec![];
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.');
        let length = match first {
            '"' => 2 + rest[1..].find('"').expect("a string ends"),
            '[' => 1 + rest.find(']').expect("a range ends"),
            _ if is_name(first) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        match first {
            '"' | '[' => {}
            _ if first.is_ascii_alphabetic() => tokens.push(Token::Name(token)),
            _ if first.is_ascii_digit() || first.is_whitespace() => {}
            _ => tokens.push(Token::Other(first)),
        }
        rest = after;
    }
    tokens
}

/// Reads of PromQL what we write of it.
fn query(expression: &str) -> Query<'_> {
    let mut query = Query::default();
    let mut tokens = tokens(expression).into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Name(word) if BY_LABELS.contains(&word) => {
                for token in tokens.by_ref().take_while(|token| *token != Token::Other(')')) {
                    if let Token::Name(label) = token {
                        query.grouped.push(label);
                    }
                }
            }
            Token::Name(word) if WORDS.contains(&word) => {}
            Token::Name(name) => match tokens.peek() {
                Some(Token::Other('(')) => {}
                // A function that says first by what it aggregates.
                Some(Token::Name(word)) if BY_LABELS.contains(word) && !name.contains('_') => {}
                _ => query.metrics.push((name, vec![])),
            },
            Token::Other('{') => {
                let (_, labels) = query.metrics.last_mut().expect("a metric before its labels");
                for token in tokens.by_ref().take_while(|token| *token != Token::Other('}')) {
                    if let Token::Name(label) = token {
                        labels.push(label);
                    }
                }
            }
            Token::Other(_) => {}
        }
    }
    query
}

/// The family that has a series of this name, and whether that is of its buckets.
fn family(series: &str) -> Option<(&'static Family, bool)> {
    families::ALL.iter().find_map(|family| {
        let part = series.strip_prefix(family.name)?;
        match (family.kind, part) {
            (Kind::Histogram(_), "_bucket") => Some((*family, true)),
            (Kind::Histogram(_), "_sum" | "_count") | (Kind::Counter | Kind::Gauge, "") => {
                Some((*family, false))
            }
            _ => None,
        }
    })
}

/// The labels that a series of this name has; `None` if there is none of this name.
fn labels(series: &str) -> Option<Vec<&'static str>> {
    let mut labels = EVERYWHERE.to_vec();
    if series != "up" {
        let (family, is_bucket) = family(series)?;
        labels.extend(family.labels);
        labels.extend(is_bucket.then_some("le"));
    }
    Some(labels)
}

/// What of an expression does not exist. `shown` are labels that are told beside it.
fn wrong(expression: &str, shown: &[&str]) -> Vec<String> {
    let Query { metrics, grouped } = query(expression);
    let mut wrong = vec![];
    let mut known = vec![];
    for (metric, matched) in metrics {
        let Some(labels) = labels(metric) else {
            wrong.push(format!("there is no metric {metric}"));
            continue;
        };
        let unknown = matched.iter().filter(|label| !labels.contains(label));
        wrong.extend(unknown.map(|label| format!("{metric} has no label {label}")));
        known.push((metric, labels));
    }
    // An expression aggregates each of its metrics by the same labels, but for those of `le`.
    for label in grouped.iter().filter(|label| **label != "le") {
        let lacking = known.iter().filter(|(_, labels)| !labels.contains(label));
        wrong.extend(lacking.map(|(metric, _)| format!("{metric} has no label {label}")));
    }
    let is_known = |label: &&&str| !known.iter().any(|(_, labels)| labels.contains(label));
    wrong.extend(shown.iter().filter(is_known).map(|label| format!("nothing has a label {label}")));
    if !grouped.is_empty() {
        let lost = shown.iter().filter(|label| !grouped.contains(label));
        wrong.extend(lost.map(|label| format!("{label} is aggregated away")));
    }
    wrong
}

/// The names between these two, as in `{{venue}} of {{instance}}`.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    let pieces = text.split(begin).skip(1).filter_map(|piece| piece.split(end).next());
    pieces.map(|piece| piece.split('|').next().unwrap_or(piece).trim()).collect()
}

/// An alert, as its lines have it.
#[derive(Debug, Default)]
struct Alert {
    expression: String,
    lines: Vec<String>,
}

/// Reads the alerts, line by line: a key and its value, or a block that is indented further than its key.
fn alerts(page: &str) -> BTreeMap<String, Alert> {
    let mut alerts = BTreeMap::<String, Alert>::new();
    let mut name = String::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let text = line.trim();
        if let Some(next) = text.strip_prefix("- alert: ") {
            next.clone_into(&mut name);
            assert!(
                alerts.insert(name.clone(), Alert::default()).is_none(),
                "{name} is there twice"
            );
        }
        let Some(alert) = alerts.get_mut(&name) else { continue };
        alert.lines.push(text.to_owned());
        let Some(expression) = text.strip_prefix("expr: ") else { continue };
        if expression != "|" {
            expression.clone_into(&mut alert.expression);
            continue;
        }
        let indent = |line: &str| line.len() - line.trim_start().len();
        while let Some(more) = lines.next_if(|next| indent(next) > indent(line)) {
            alert.expression += more.trim();
            alert.expression.push('\n');
        }
    }
    alerts
}

#[test]
fn every_expression_of_the_dashboard_asks_for_what_there_is() {
    let Some(page) = page("grafana.json") else { return };
    let dashboard: Value = serde_json::from_str(&page).expect("JSON");
    let panels = dashboard["panels"].as_array().unwrap();
    let mut asked = BTreeSet::new();
    let mut mistakes = vec![];
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        let description = panel["description"].as_str().unwrap();
        assert!(description.contains("Healthy: "), "{title} should say what healthy looks like");
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let shown = between(target["legendFormat"].as_str().unwrap(), "{{", "}}");
            let wrong = wrong(expression, &shown).into_iter();
            mistakes.extend(wrong.map(|wrong| format!("{title}: {wrong} in {expression}")));
            asked.extend(query(expression).metrics.iter().map(|(metric, _)| metric.to_string()));
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        let expression = annotation["expr"].as_str().unwrap();
        let shown = between(annotation["titleFormat"].as_str().unwrap(), "{{", "}}");
        mistakes.extend(wrong(expression, &shown));
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let definition = variable["definition"].as_str().unwrap();
        let (series, label) = definition.rsplit_once(", ").unwrap();
        let series = series.strip_prefix("label_values(").unwrap();
        let wrong = wrong(series, &[label.trim_end_matches(')')]);
        mistakes.extend(wrong.into_iter().map(|wrong| format!("{wrong} in {definition}")));
    }
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    assert!(asked.len() > 60, "it asks for {} metrics only: are they read?", asked.len());
}

#[test]
fn every_alert_asks_for_what_there_is_and_has_a_test_and_a_section_of_the_runbook() {
    let Some(page_of_alerts) = page("alerts.yaml") else { return };
    let alerts = alerts(&page_of_alerts);
    assert!(alerts.len() > 20, "{} alerts: are they read?", alerts.len());
    let runbook = page("runbook.md").unwrap();
    let tests = page("alerts_test.yaml").unwrap();
    let mut mistakes = vec![];
    for (name, alert) in &alerts {
        let text = alert.lines.join("\n");
        let shown = between(&text, "$labels.", "}}");
        let wrong = wrong(&alert.expression, &shown).into_iter();
        mistakes.extend(wrong.map(|wrong| format!("{name}: {wrong}")));
        let mut should = |line: &str, there: bool| {
            if !there {
                mistakes.push(format!("{name} should have {line}"));
            }
        };
        should("an expression", !query(&alert.expression).metrics.is_empty());
        should("a summary", text.contains("\nsummary: \""));
        should("a description", text.contains("\ndescription: \""));
        should(
            "a severity",
            ["critical", "warning"].iter().any(|s| text.contains(&format!("\nseverity: {s}"))),
        );
        let url = format!("\nrunbook_url: \"{RUNBOOK}{}\"", name.to_lowercase());
        should(&url, text.contains(&url));
        for fact in ["fires", "does not fire"] {
            let test = format!("- name: {name} {fact}");
            should(&test, tests.lines().any(|line| line.trim() == test));
        }
    }
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("### "));
    let sections: Vec<_> = sections.map(str::to_owned).collect();
    let names: BTreeSet<_> = alerts.into_keys().collect();
    assert_eq!(sections.iter().cloned().collect::<BTreeSet<_>>(), names);
    assert_eq!(sections.len(), names.len(), "a section is there twice");
}

#[test]
fn the_runbook_asks_for_what_there_is_and_its_links_lead_somewhere() {
    let Some(runbook) = page("runbook.md") else { return };
    for block in between(&runbook, "```promql\n", "```") {
        for expression in block.lines() {
            assert_eq!(wrong(expression, &[]), Vec::<String>::new(), "{expression}");
        }
    }
    let anchors: BTreeSet<_> = runbook
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .collect();
    for link in between(&runbook, "](#", ")") {
        assert!(anchors.contains(link), "#{link} leads nowhere");
    }
    let begins: BTreeSet<_> =
        families::ALL.iter().filter_map(|family| family.name.split_inclusive('_').next()).collect();
    let words = runbook.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    for word in words.filter(|word| begins.iter().any(|begin| word.starts_with(begin))) {
        let is_label = families::ALL.iter().any(|family| family.labels.contains(&word));
        assert!(is_label || labels(word).is_some(), "there is no metric {word}");
    }
}

#[test]
fn the_configuration_in_the_runbook_is_the_one_beside_it() {
    let (Some(runbook), Some(file)) = (page("runbook.md"), page("prometheus.yml")) else { return };
    let bare = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.filter(|line| !line.trim().starts_with('#')).map(str::to_owned).collect()
    };
    let shown = runbook.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(bare(shown), bare(&file));
}

#[test]
fn mistakes_are_noticed() {
    let healthy = r#"sum by (venue) (rate(venue_events_total{instance=~"$instance"}[5m])) > 0"#;
    assert_eq!(wrong(healthy, &["venue"]), Vec::<String>::new());
    let quantile = "histogram_quantile(0.9, sum by (le, consumer_id) \
                    (rate(consumer_delivery_latency_seconds_bucket[5m] offset 1h)))";
    assert_eq!(wrong(quantile, &["consumer_id"]), Vec::<String>::new());
    for (expression, shown, mistake) in [
        ("rate(venue_event_total[5m])", None, "there is no metric venue_event_total"),
        ("venue_events", None, "there is no metric venue_events"),
        (
            "dispatcher_fan_out_duration_seconds",
            None,
            "there is no metric dispatcher_fan_out_duration_seconds",
        ),
        ("up{job=\"meltica\"} == 0 or venu_connected", None, "there is no metric venu_connected"),
        ("venue_connected{venu=\"kraken\"}", None, "venue_connected has no label venu"),
        ("venue_connected{le=\"1\"}", None, "venue_connected has no label le"),
        ("sum by (reason) (venue_connected)", None, "venue_connected has no label reason"),
        ("up * on (venue) venue_connected", None, "up has no label venue"),
        ("venue_connected", Some("consumer_id"), "nothing has a label consumer_id"),
        ("sum by (venue) (venue_connected)", Some("instance"), "instance is aggregated away"),
    ] {
        assert_eq!(wrong(expression, shown.as_slice()), [mistake], "{expression}");
    }
}
