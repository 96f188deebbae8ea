use super::*;
use crate::fixture::Tree;

fn failure_of(page: &str) -> String {
    let tree = Tree::new();
    tree.write(PAGE, page);
    step(&tree.workspace()).err().map_or(String::new(), |failure| failure.to_string())
}

#[test]
fn commands_and_what_they_print_are_found_between_other_blocks() {
    let page = "a\n```rust\nlet sh = 1;\n```\n```sh\necho one\necho two\n```\nprints\n```text\ntwo\n```\n\n```sh\ntrue\n```\n";
    let [first, second] = &blocks(page)[..] else { panic!("two blocks") };
    assert_eq!((first.line, first.commands.as_str()), (6, "echo one\necho two\n"));
    assert_eq!((&first.expected, &second.expected), (&vec!["two".to_owned()], &vec![]));
}

#[test]
fn a_page_whose_blocks_do_what_it_says_passes() {
    assert_eq!(failure_of("```sh\necho one\n```\n```text\none\n```\n"), "");
}

#[test]
fn a_command_that_fails_is_named_by_its_line() {
    let failure = failure_of("# Page\n\n```sh\nfalse\ntrue\n```\n```sh\nexit 3\n```\n");
    assert!(failure.contains("docs/quickstart.md:4: the block failed"), "{failure}");
    assert!(failure.contains("docs/quickstart.md:8: the block failed"), "{failure}");
}

#[test]
fn a_name_that_chooses_no_test_is_a_failure() {
    let result = |passed, out| {
        format!(
            "```sh\necho 'test result: ok. {passed} passed; 0 failed; 0 ignored; 0 measured; {out} filtered out; finished in 0.00s'\n```\n"
        )
    };
    assert!(failure_of(&result(0, 5)).contains("docs/quickstart.md:2: a name chooses no test"));
    assert_eq!(failure_of(&result(1, 4)), "");
    assert_eq!(failure_of(&result(0, 0)), "");
}

#[test]
fn output_that_is_promised_and_does_not_come_is_named() {
    let failure = failure_of("```sh\necho one\n```\n```text\nanother\n```\n");
    assert!(failure.contains("does not print `another`"), "{failure}");
}

#[test]
fn a_page_without_commands_or_none_at_all_is_a_failure() {
    assert!(failure_of("# Page\n").contains("has no block of commands"));
    let tree = Tree::new();
    assert!(step(&tree.workspace()).is_err());
}
