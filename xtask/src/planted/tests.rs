use std::fs;

use super::*;

fn bug(right: &'static str) -> Bug {
    Bug { name: "one", what: "", file: "code.rs", right, wrong: "if !PLANTED { it() }" }
}

#[test]
fn a_bug_is_planted_where_its_code_is_once_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("code.rs");
    fs::write(&path, "it();\nother();\nother();\n").unwrap();
    assert!(plant(&bug("missing()"), folder.path()).unwrap_err().contains("0 times"));
    assert!(plant(&bug("other()"), folder.path()).unwrap_err().contains("2 times"));
    plant(&bug("it();"), folder.path()).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let switched =
        "if !std::env::var_os(\"MELTICA_PLANTED\").is_some_and(|on| on == \"one\") { it() }";
    assert_eq!(text, format!("{switched}\nother();\nother();\n"));
}

#[test]
fn a_mirror_has_what_is_there_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    fs::create_dir_all(from.join("in")).unwrap();
    fs::create_dir_all(to.join("old")).unwrap();
    fs::write(from.join("in/a"), "a").unwrap();
    fs::write(to.join("b"), "b").unwrap();
    mirror(&from, &to).unwrap();
    assert_eq!(fs::read_to_string(to.join("in/a")).unwrap(), "a");
    assert!(!to.join("b").exists() && !to.join("old").exists());
}

#[test]
fn every_bug_has_a_name_of_its_own() {
    for (index, bug) in BUGS.iter().enumerate() {
        assert!(BUGS[..index].iter().all(|other| other.name != bug.name), "{}", bug.name);
        assert!(bug.wrong.contains("PLANTED"), "{}", bug.name);
    }
}
