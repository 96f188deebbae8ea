use super::{BANS, Pattern, check};
use crate::fixture::Tree;

/// A use of every pattern as it would really be written, with the folder it is planted in.
const PLANTED: &[(&str, &str, &str)] = &[
    ("`f32`", "event", "pub struct Price(f32);"),
    ("`f64`", "venue", "fn parse(text: &str) -> f64 { text.parse().unwrap() }"),
    ("float literal", "venue-binance", "const TICK: Price = price(0.01);"),
    ("`Instant::now`", "stats", "fn f() { let start = std::time::Instant::now(); }"),
    ("`SystemTime::now`", "consumer", "fn f() { stamp.unwrap_or_else(SystemTime::now) }"),
    ("`.elapsed()`", "venue", "fn f(start: Instant) { start.elapsed().as_nanos() }"),
    ("let chain", "venue", "fn f() { if let Some(x) = y && x > 0 { g() } }"),
    ("`thread::spawn`", "dispatcher", "fn f() { std::thread::spawn(move || run()); }"),
    ("`env::var`", "recycler", "fn f() { std::env::var(\"SIZE\") }"),
    ("`env::var_os`", "dispatcher", "fn f() { env::var_os(\"HOME\") }"),
    ("`env::vars`", "venue", "use std::env::{self, vars};"),
    ("`env::vars_os`", "event", "fn f() { for (k, v) in env::vars_os() {} }"),
    ("`println!`", "meltica", "fn f() { println!(\"{x}\"); }"),
    ("`eprintln!`", "venue", "fn f() { std::eprintln!(\"{x}\"); }"),
    ("`print!`", "stats", "fn f() { print!(\"x\") }"),
    ("`eprint!`", "consumer", "fn f() { eprint!(\"x\") }"),
    ("`dbg!`", "recycler", "fn f() { g(dbg!(x)) }"),
    ("`unsafe`", "recycler", "fn f() { unsafe { g() } }"),
];

/// A tree that breaks no ban, in which every row of an allow-list is needed.
fn healthy() -> Tree {
    let tree = Tree::of_our_packages();
    for ban in BANS {
        for (file, _) in ban.allowed {
            let shown = ban.patterns[0].shown();
            let (_, _, source) = planted(&shown);
            tree.write(file, source);
        }
    }
    tree
}

fn planted(shown: &str) -> (&'static str, &'static str, &'static str) {
    *PLANTED.iter().find(|(pattern, ..)| *pattern == shown).unwrap_or_else(|| {
        panic!("{shown} is banned, but no planted use shows that the ban bites: add one here")
    })
}

fn problems(tree: &Tree) -> Vec<String> {
    check(tree.root()).expect("the tree can be read")
}

#[track_caller]
fn assert_only(tree: &Tree, expected: &[&str]) {
    let problems = problems(tree);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    for part in expected {
        assert!(problems[0].contains(part), "{:?} does not say {part:?}", problems[0]);
    }
}

#[test]
fn a_healthy_tree_is_accepted() {
    assert_eq!(problems(&healthy()), Vec::<String>::new());
}

#[test]
fn every_ban_bites_with_file_line_and_replacement() {
    for ban in BANS {
        for pattern in ban.patterns {
            let shown = pattern.shown();
            let (_, folder, source) = planted(&shown);
            assert!(ban.scope.contains(folder), "{shown} is not banned in {folder}");
            let tree = healthy();
            tree.write(&format!("crates/{folder}/src/deep/er.rs"), &format!("//! Docs.\n{source}"));
            let place = format!("crates/{folder}/src/deep/er.rs:2: {shown} ({})", ban.name);
            assert_only(&tree, &[&place, ban.instead, ban.why]);
        }
    }
}

#[test]
fn words_in_comments_docs_and_strings_trip_no_ban() {
    for (_, folder, source) in PLANTED {
        let tree = healthy();
        let raw = format!("r####\"{source}\"####");
        tree.write(
            &format!("crates/{folder}/src/prose.rs"),
            &format!("//! {source}\n/// {source}\n// {source}\nconst TEXT: &str = {raw};\n"),
        );
        assert_eq!(problems(&tree), Vec::<String>::new());
    }
}

#[test]
fn tests_may_use_what_is_banned() {
    for (_, folder, source) in PLANTED {
        let tree = healthy();
        tree.write(&format!("crates/{folder}/src/price/tests.rs"), source);
        tree.write(&format!("crates/{folder}/src/tests/helper.rs"), source);
        tree.write(
            &format!("crates/{folder}/src/inline.rs"),
            &format!("#[cfg(test)]\nmod tests {{\n    {source}\n}}\n"),
        );
        tree.write(&format!("crates/{folder}/tests/promise.rs"), source);
        assert_eq!(problems(&tree), Vec::<String>::new());
    }
}

#[test]
fn crates_outside_the_scope_of_a_ban_are_left_alone() {
    let tree = healthy();
    tree.write("crates/stats/src/mean.rs", "fn mean() -> f64 { 0.5 }");
    tree.write("crates/meltica/src/size.rs", "fn f() { env::var(\"A\"); Instant::now() }");
    tree.write("crates/gateway/src/main.rs", "#![forbid(unsafe_code)]\nfn f() { println!() }");
    assert_eq!(problems(&tree), Vec::<String>::new());
}

#[test]
fn the_clock_is_allowed_in_the_listed_file_only() {
    let tree = healthy();
    tree.write("crates/recycler/src/lease.rs", "\n\nfn f() { Instant::now() }");
    assert_only(&tree, &["crates/recycler/src/lease.rs:3", "clocks"]);
}

#[test]
fn an_allowed_file_that_is_gone_or_no_longer_needs_it_is_an_error() {
    for ban in BANS {
        for (file, _) in ban.allowed {
            let tree = healthy();
            tree.remove(file);
            assert_only(&tree, &[file, ban.name, "does not exist", "xtask/src/bans.rs"]);
            tree.write(file, "// Instant::now, unsafe\n");
            assert_only(&tree, &[file, ban.name, "no longer needs it", "xtask/src/bans.rs"]);
        }
    }
}

#[test]
fn a_crate_without_unsafe_code_must_forbid_it() {
    for root in ["crates/event/src/lib.rs", "crates/gateway/src/main.rs"] {
        let tree = healthy();
        tree.write(root, "//! Docs.\n\n// #![forbid(unsafe_code)]\n");
        assert_only(&tree, &[root, "#![forbid(unsafe_code)]"]);
    }
    let tree = healthy();
    tree.write("crates/recycler/src/lib.rs", "//! Docs.\n");
    assert_eq!(problems(&tree), Vec::<String>::new());
}

#[test]
fn what_is_not_rust_is_an_error() {
    let tree = healthy();
    tree.write("crates/event/src/broken.rs", "fn f( {");
    assert_only(&tree, &["crates/event/src/broken.rs"]);
}

#[test]
fn every_pattern_lexes() {
    for pattern in BANS.iter().flat_map(|ban| ban.patterns) {
        if let Pattern::Tokens(text) = pattern {
            assert!(!crate::tokens::lex(text).expect("a pattern is Rust").is_empty());
        }
    }
}
