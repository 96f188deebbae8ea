use super::*;

#[test]
fn what_the_system_says_is_what_the_process_does() {
    // Other tests take and give back memory meanwhile; this much is held here, and written to.
    let spare = vec![1u8; 64 << 20];
    let memory = resident();
    assert!(memory.is_some_and(|bytes| (64 << 20..64 << 30).contains(&bytes)), "{memory:?}");
    drop(spare);
    assert!(threads().is_some_and(|threads| threads > 0));
    assert!(open_files().is_some_and(|files| files > 2));
    assert!(kibibytes("VmSize:") >= resident());
    let text = metrics(Metrics::new()).render();
    assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 6, "{text}");
}

#[test]
fn time_on_the_cpu_is_counted() {
    let before = cpu();
    let mut number = 0u64;
    while cpu() < before.map(|cpu| cpu + Duration::from_millis(5)) {
        number = std::hint::black_box(number + 1);
    }
    assert!(number > 0);
}
