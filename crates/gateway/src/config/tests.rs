use super::*;

fn mistakes(text: &str) -> Vec<String> {
    settings(text).expect_err("there is a mistake").iter().map(Mistake::to_string).collect()
}

#[test]
fn a_file_says_what_flags_say() {
    let text = "# A comment.\nvenue = [\"kraken\", \"okx\"]\nsymbol = \"BTC-USDT\"\n\nfor = \"10s\"\njson = true\nfollow-one-in = 1_000\n";
    let settings = settings(text).unwrap();
    let flags: Vec<_> = settings.iter().flat_map(|setting| &setting.flags).collect();
    let expected = [
        "--venue=kraken",
        "--venue=okx",
        "--symbol=BTC-USDT",
        "--for=10s",
        "--json",
        "--follow-one-in=1000",
    ];
    assert_eq!(flags, expected);
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_was_meant() {
    let found =
        mistakes("rate = \"many\"\nrates = 5\nvenue = [\"krakn\"]\njson = \"yes\"\nlisten = [1]\n");
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(
        found[0].starts_with("1:8: invalid value 'many' for '--rate <EVENTS>'"),
        "{}",
        found[0]
    );
    assert!(found[1].starts_with("2:1: unknown key `rates`"), "{}", found[1]);
    assert!(found[1].contains("'rate'"), "{}", found[1]);
    assert!(
        found[2].starts_with("3:9: invalid value 'krakn'") && found[2].contains("kraken"),
        "{}",
        found[2]
    );
    assert_eq!(found[3], "4:8: `json` is true or false, not a text");
    assert_eq!(found[4], "5:10: `listen` is a text or a whole number, not a list");
}

#[test]
fn what_does_not_go_together_and_what_is_no_toml_is_told_too() {
    let together = mistakes("symbol = \"BTC-USD\"\nvenue = \"kraken\"\nfaults = 1\n");
    assert!(together[0].starts_with("2:1: "), "{}", together[0]);
    assert!(together[0].contains("cannot be used with"), "{}", together[0]);
    let alone = mistakes("venue = \"kraken\"\n");
    assert!(alone[0].contains("--symbol"), "{}", alone[0]);
    let hex = mistakes("rate = 0x100\n");
    assert_eq!(hex, ["1:8: `rate` is a decimal number; 0x100 is to another base"]);
    let open = mistakes("control = \"0.0.0.0:9465\"\n");
    assert!(open[0].starts_with("1:11: ") && open[0].contains("no loopback"), "{}", open[0]);
    assert!(mistakes("otlp = \"http://127.0.0.1:4318\"\n")[0].contains("--follow-one-in"));
    let broken = mistakes("rate = \nseed = 1\n");
    assert!(broken[0].starts_with("1:"), "{}", broken[0]);
    assert!(mistakes("config = \"other.toml\"\n")[0].starts_with("1:1: unknown key `config`"));
}

#[test]
fn the_command_line_goes_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meltica.toml");
    fs::write(&path, "rate = 7\nseed = 9\n").unwrap();
    let words = |more: &[&str]| {
        let mut words: Vec<OsString> =
            vec!["meltica".into(), "run".into(), FLAG.into(), path.clone().into()];
        words.extend(more.iter().map(OsString::from));
        words
    };
    let plain = expanded(words(&[]), Asked::Run).unwrap();
    assert_eq!(plain[4..], ["--rate=7", "--seed=9"]);
    let overridden = expanded(words(&["--rate", "8"]), Asked::Run).unwrap();
    assert_eq!(overridden[4..], ["--rate", "8", "--seed=9"]);
    let without: Vec<OsString> = ["meltica", "soak"].map(OsString::from).to_vec();
    assert_eq!(expanded(without.clone(), Asked::Another).unwrap(), without);
    let missing = ["meltica", "run", "--config=/no/such"].map(OsString::from).to_vec();
    assert!(expanded(missing, Asked::Run).unwrap_err().starts_with("/no/such: "));
}

/// The example has every option, and each of its lines is right.
#[test]
fn the_example_has_every_option_and_each_is_right() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/meltica.toml");
    let page = fs::read_to_string(page).unwrap();
    assert!(settings(&page).is_ok(), "{:?}", settings(&page));
    let run = run_command();
    let lines = || page.lines().map(|line| line.trim_start_matches('#'));
    for arg in run.get_arguments().filter_map(|arg| arg.get_long()) {
        if !NOT_IN_A_FILE.contains(&arg) {
            let begins = |line: &str| line.starts_with(&format!("{arg} = "));
            assert!(lines().any(begins), "{arg} is not in docs/meltica.toml");
        }
    }
    for line in page.lines().filter_map(|line| line.strip_prefix('#')) {
        let is_option = line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        if is_option {
            let alone = settings(line);
            let only_lacks = |m: &Mistake| m.what.contains("required");
            let is_right = alone.as_ref().err().is_none_or(|m| m.iter().all(only_lacks));
            assert!(is_right, "{line}: {alone:?}");
        }
    }
}
