//! What the system says of this process, where it says it.

use std::{
    fs::{self, File},
    io::Read,
    time::Duration,
};

use meltica_telemetry::{Family, Metrics, families};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

/// Resident memory in bytes.
pub(crate) fn resident() -> Option<u64> {
    kibibytes("VmRSS:")
}

/// How many threads there are.
pub(crate) fn threads() -> Option<u64> {
    Some(fs::read_dir("/proc/self/task").ok()?.count() as u64)
}

/// CPU time of all threads.
fn cpu() -> Option<Duration> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

fn open_files() -> Option<u64> {
    // The folder that is read is one of them.
    Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}

/// A line of the process's status that is an amount of memory, in bytes.
fn kibibytes(name: &str) -> Option<u64> {
    // Larger than the file, and not on the heap, which is measured.
    let mut text = [0; 4_096];
    let mut file = File::open("/proc/self/status").ok()?;
    let mut length = 0;
    while let Some(read) = file.read(&mut text[length..]).ok().filter(|read| *read > 0) {
        length += read;
    }
    let text = std::str::from_utf8(&text[..length]).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

/// A series for each thing that the system says.
pub(crate) fn metrics(metrics: Metrics) -> Metrics {
    type Read = fn() -> Option<u64>;
    let numbers: [(&'static Family, Read); 5] = [
        (&families::PROCESS_RESIDENT_MEMORY, resident),
        (&families::PROCESS_VIRTUAL_MEMORY, || kibibytes("VmSize:")),
        (&families::PROCESS_THREADS, threads),
        (&families::PROCESS_OPEN_FILES, open_files),
        (&families::PROCESS_MOST_FILES, || getrlimit(Resource::Nofile).current),
    ];
    let metrics = metrics.time(&families::PROCESS_CPU, cpu);
    numbers.into_iter().fold(metrics, |metrics, (family, read)| {
        metrics.numbers(family, move || read().map(|number| (vec![], number)).into_iter().collect())
    })
}

#[cfg(test)]
mod tests;
