use super::{find, find_float_literals, lex};

const NONE: [usize; 0] = [];

fn lines(needle: &str, source: &str) -> Vec<usize> {
    find(&lex(needle).expect("Rust"), &lex(source).expect("Rust"))
}

fn floats(source: &str) -> Vec<usize> {
    find_float_literals(&lex(source).expect("Rust"))
}

#[test]
fn a_path_is_found_however_it_is_written() {
    assert_eq!(lines("env::var", "fn f() {\n    std::env::var(\"HOME\");\n}"), [2]);
    assert_eq!(lines("env::var", "fn f() { env\n::\nvar }"), [1]);
    assert_eq!(lines("env::var", "use std::{\n    io,\n    env::{self, VarError, var},\n};"), [3]);
    assert_eq!(lines("env::var", "use std::env::{var as read, temp_dir};"), [1]);
}

#[test]
fn a_longer_or_another_path_is_not_found() {
    assert_eq!(
        lines("env::var", "use std::env::{vars, args}; fn f() { env::var_os(\"A\") }"),
        NONE
    );
    assert_eq!(lines("env::var", "use std::{env::{args}, fmt::{var}};"), NONE);
    assert_eq!(lines("thread::spawn", "fn f() { Builder::new().spawn(g) }"), NONE);
}

#[test]
fn comments_docs_and_strings_hold_no_tokens() {
    let source = "//! f64\n/// f64 1.5\nfn f() { /* f64 */ g(\"f64\", r#\"f64\"#, b\"f64\", 'f') }";
    assert_eq!(lines("f64", source), NONE);
    assert_eq!(floats(source), NONE);
}

#[test]
fn macros_are_looked_into() {
    assert_eq!(lines("f64", "macro_rules! m {\n    () => { 1 as f64 };\n}"), [2]);
}

#[test]
fn modules_of_tests_are_left_out() {
    let hidden =
        "#[cfg(test)]\n#[expect(x, reason = \"y\")]\npub(crate) mod m { fn f() -> f64 {} }";
    assert_eq!(lines("f64", hidden), NONE);
    assert_eq!(lines("f64", "#[cfg(all(test, not(meltica_loom)))] mod m { type A = f64; }"), NONE);
    assert_eq!(lines("f64", "#[cfg(not(test))] mod m { type A = f64; }"), [1]);
    assert_eq!(lines("f64", "#[cfg(test)] mod tests;\ntype A = f64;"), [2]);
}

#[test]
fn every_form_of_float_literal_is_found() {
    for float in ["1.5", "1.", "1e9", "1E-9", "1_0.5", "2f32", "2_f64", "0..1.5", "1.0f32"] {
        assert_eq!(floats(&format!("fn f() {{ {float} }}")), [1], "{float}");
    }
}

#[test]
fn integers_ranges_and_fields_are_no_floats() {
    for other in ["1", "1usize", "1_isize", "0x1f32", "0xE1", "0b1", "0..1", "1.max(2)", "p.0.1"] {
        assert_eq!(floats(&format!("fn f() {{ {other} }}")), NONE, "{other}");
    }
}
