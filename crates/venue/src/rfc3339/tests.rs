use super::*;

#[test]
fn known_moments_are_read_to_the_nanosecond() {
    for (text, nanos) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("2000-02-29T23:59:59.5Z", 951_868_799_500_000_000),
        ("2026-08-24T22:34:13.793075885Z", 1_787_610_853_793_075_885),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000_000),
    ] {
        assert_eq!(parse_utc(text), Some(Timestamp::from_nanos(nanos)), "{text}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    for day in 0..40_000i64 {
        let time = Timestamp::from_nanos(day * 86_400_000_000_000 + day * 1_234_567_891);
        assert_eq!(parse_utc(&write_utc(time)), Some(time), "{}", write_utc(time));
    }
}

#[test]
fn what_is_no_moment_is_refused() {
    for text in [
        "",
        "2026-08-24",
        "2026-08-24 22:34:13Z",
        "2026-08-24T22:34:13",
        "2026-08-24T22:34:13.Z",
        "2026-08-24T22:34:13.1234567890Z",
        "2026-08-24T22:34:13+00:00",
        "2026-13-24T22:34:13Z",
        "2026-02-29T22:34:13Z",
        "2026-08-24T24:34:13Z",
        "1969-08-24T22:34:13Z",
        "2026-08-2xT22:34:13Z",
        "2026-08-24T22:34:1éZ",
    ] {
        assert_eq!(parse_utc(text), None, "{text}");
    }
}
