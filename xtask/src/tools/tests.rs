use super::{LlvmTools, choose, llvm_major};
use crate::fixture::Tree;

#[test]
fn the_component_beside_rustc_is_preferred() {
    let tree = Tree::new();
    tree.write("sysroot/lib/rustlib/x86_64-unknown-linux-gnu/bin/llvm-cov", "");
    tree.write("bin/llvm-cov-22", "");
    tree.write("bin/llvm-profdata-22", "");
    let tools = choose(&tree.root().join("sysroot"), &tree.root().join("bin"), 22);
    assert_eq!(tools, Ok(LlvmTools::Found));
}

#[test]
fn the_newest_tools_of_the_system_that_can_read_our_profiles_are_next() {
    let tree = Tree::new();
    for version in ["14", "22", "23"] {
        tree.write(&format!("bin/llvm-cov-{version}"), "");
        tree.write(&format!("bin/llvm-profdata-{version}"), "");
    }
    tree.write("bin/llvm-cov-24", "");
    tree.write("bin/llvm-cov", "");
    let bin = tree.root().join("bin");
    let cov = bin.join("llvm-cov-23");
    let profdata = bin.join("llvm-profdata-23");
    assert_eq!(choose(tree.root(), &bin, 22), Ok(LlvmTools::At { cov, profdata }));
}

#[test]
fn without_any_the_answer_says_how_to_get_them() {
    let tree = Tree::new();
    tree.write("bin/llvm-cov-14", "");
    tree.write("bin/llvm-profdata-14", "");
    let missing = choose(tree.root(), &tree.root().join("bin"), 22).unwrap_err();
    assert!(missing.contains("rustup component add llvm-tools"), "{missing}");
    assert!(missing.contains("llvm-22"), "{missing}");
    assert!(!missing.contains('\n'), "{missing}");
}

#[test]
fn the_version_of_llvm_is_read_from_rustc() {
    assert_eq!(llvm_major("rustc 1.95.0\nrelease: 1.95.0\nLLVM version: 22.1.2\n"), Some(22));
    assert_eq!(llvm_major("rustc 1.95.0\n"), None);
}
