use std::fs;

use super::*;

fn tree(pages: &[(&str, &str)]) -> tempfile::TempDir {
    let tree = tempfile::tempdir().expect("a folder");
    for (name, text) in pages {
        let path = tree.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    tree
}

#[test]
fn a_page_that_is_not_listed_is_named() {
    let tree = tree(&[
        ("docs/SUMMARY.md", "- [A](a.md)\n- [B](deep/b.md)\n"),
        ("docs/a.md", "# A\n"),
        ("docs/deep/b.md", "# B\n"),
        ("docs/c.md", "# C\n"),
    ]);
    assert_eq!(check(tree.path()), ["docs/c.md is not listed in docs/SUMMARY.md"]);
}

#[test]
fn a_link_that_leads_nowhere_is_named_and_others_are_not() {
    let tree = tree(&[
        ("docs/SUMMARY.md", "- [A](a.md)\n- [B](deep/b.md)\n"),
        (
            "docs/a.md",
            "# What `it` is, and is not\n\n[here](#what-it-is-and-is-not) [net](https://x)\n",
        ),
        (
            "docs/deep/b.md",
            "[up](../a.md#what-it-is-and-is-not) [out](../../Cargo.toml) [no](../a.md#nothing)\n",
        ),
        ("README.md", "[file](Cargo.toml) [gone](docs/gone.md)\n\n```sh\n[no link](at/all)\n```\n"),
        ("Cargo.toml", ""),
    ]);
    assert_eq!(
        check(tree.path()),
        [
            "docs/deep/b.md: ../../Cargo.toml leads out of the book",
            "docs/deep/b.md: ../a.md#nothing has no such heading",
            "README.md: there is no docs/gone.md"
        ]
    );
}

#[test]
fn a_page_whose_rust_nobody_tests_is_named() {
    let block = "# A\n\n```rust,compile_fail\nlet x = y;\n```\n";
    let tree = tree(&[
        ("docs/SUMMARY.md", "- [A](a.md)\n- [B](b.md)\n- [C](c.md)\n- [D](d.md)\n"),
        ("docs/a.md", block),
        ("docs/d.md", "# D\n\n```rust,ignore\nlet x = y;\n```\n"),
        ("docs/b.md", block),
        ("docs/c.md", "# C\n\n```sh\ncargo test\n```\n\n````text\n```rust\n````\n"),
        (
            "crates/one/src/book.rs",
            "#[doc = include_str!(\"../../../docs/a.md\")]\nmod a {}\n\
             #[doc = include_str!(\"../../../docs/d.md\")]\nmod d {}\n\
             const B: &str = include_str!(\"../../../docs/b.md\");\n",
        ),
    ]);
    let expected = [
        "docs/b.md has Rust that no crate tests",
        "docs/d.md has Rust that is not run: rust,ignore",
    ];
    assert_eq!(check(tree.path()), expected);
}
