//! What the address sanitizer must report, or it reports nothing.

fn main() {
    let freed = Box::into_raw(Box::new([7u64; 16]));
    // SAFETY: none: the memory is read after it was given back, which is what must be found.
    let read = unsafe {
        drop(Box::from_raw(freed));
        freed.read_volatile()
    };
    println!("read {} after it was freed", read[0]);
}
