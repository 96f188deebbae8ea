use meltica_stats::Histogram;

use super::*;

#[test]
fn labels_are_escaped_as_the_format_asks() {
    let mut scrape = Scrape::default();
    scrape.add(&families::CONSUMER_PANICS, &["a \"b\" \\ c\nd"], 3.into());
    let text = render(&scrape, Format::Classic);
    let line = text.lines().last().unwrap();
    assert_eq!(line, r#"consumer_panics_total{consumer_id="a \"b\" \\ c\nd"} 3"#);
}

#[test]
fn a_histogram_has_cumulative_buckets_a_sum_and_a_count_that_agree() {
    let histogram = Histogram::new();
    [90, 1_000_000, 1_000_001, 30_000_000_000].into_iter().for_each(|ns| histogram.record(ns));
    let mut scrape = Scrape::default();
    scrape.add(&families::DISPATCHER_FAN_OUT_DURATION, &[], histogram.snapshot().into());
    let text = render(&scrape, Format::Classic);
    for line in [
        "# TYPE dispatcher_fan_out_duration_seconds histogram",
        "dispatcher_fan_out_duration_seconds_bucket{le=\"0.0000001\"} 1",
        "dispatcher_fan_out_duration_seconds_bucket{le=\"0.0005\"} 1",
        "dispatcher_fan_out_duration_seconds_bucket{le=\"0.0025\"} 3",
        "dispatcher_fan_out_duration_seconds_bucket{le=\"10\"} 3",
        "dispatcher_fan_out_duration_seconds_bucket{le=\"+Inf\"} 4",
        "dispatcher_fan_out_duration_seconds_sum 30.002000091",
        "dispatcher_fan_out_duration_seconds_count 4",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_occurs_twice_under_the_same_labels_is_added_up() {
    let mut scrape = Scrape::default();
    for (labels, count) in [("a", 1), ("b", 10), ("a", 2)] {
        scrape.add(&families::CONSUMER_PANICS, &[labels], count.into());
        let histogram = Histogram::new();
        histogram.record(count);
        let snapshot = histogram.snapshot();
        scrape.add(&families::CONSUMER_PROCESSING_DURATION, &[labels], snapshot.into());
    }
    let text = render(&scrape, Format::Classic);
    assert!(text.contains("consumer_panics_total{consumer_id=\"a\"} 3\n"));
    assert!(text.contains("consumer_processing_duration_seconds_count{consumer_id=\"a\"} 2\n"));
    assert_eq!(text.matches("consumer_panics_total{").count(), 2);
}

#[test]
fn decimals_have_no_zeros_to_spare() {
    assert_eq!(decimal(0, 9), "0");
    assert_eq!(decimal(10_000_000_000, 9), "10");
    assert_eq!(decimal(2_500_000, 9), "0.0025");
    assert_eq!(decimal(150, 2), "1.5");
    assert_eq!(decimal(u128::MAX, 9).split('.').count(), 2);
}

#[test]
fn the_names_follow_the_conventions_of_the_field() {
    let mut names = std::collections::HashSet::new();
    for family in families::ALL {
        assert!(names.insert(family.name), "{} occurs twice", family.name);
        let is_counter = family.kind == Kind::Counter;
        assert_eq!(is_counter, family.name.ends_with("_total"), "{}", family.name);
        let is_timed = family.kind == Kind::Histogram(crate::Unit::Seconds);
        assert!(!is_timed || family.name.ends_with("_seconds"), "{}", family.name);
        assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{}", family.name);
    }
}

#[test]
fn open_metrics_names_counters_without_their_total_and_ends_with_its_mark() {
    let histogram = Histogram::new();
    histogram.record(1);
    let mut scrape = Scrape::default();
    scrape.add(&families::CONSUMER_PANICS, &["a"], 3.into());
    scrape.add(&families::CONSUMER_PROCESSING_DURATION, &["a"], histogram.snapshot().into());
    let text = render(&scrape, Format::Open);
    for line in [
        "# TYPE consumer_panics counter",
        "consumer_panics_total{consumer_id=\"a\"} 3",
        "# TYPE consumer_processing_duration_seconds histogram",
        "consumer_processing_duration_seconds_bucket{consumer_id=\"a\",le=\"1e-07\"} 1",
        "consumer_processing_duration_seconds_bucket{consumer_id=\"a\",le=\"2.5e-07\"} 1",
        "consumer_processing_duration_seconds_bucket{consumer_id=\"a\",le=\"0.001\"} 1",
        "consumer_processing_duration_seconds_bucket{consumer_id=\"a\",le=\"10.0\"} 1",
        "consumer_processing_duration_seconds_bucket{consumer_id=\"a\",le=\"+Inf\"} 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n"));
    for family in families::ALL {
        let is_counter = family.kind.as_str() == "counter";
        assert_eq!(is_counter, family.name.ends_with("_total"), "{}", family.name);
    }
}
