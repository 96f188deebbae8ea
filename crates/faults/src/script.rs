//! What happens, in which order, and what must be so at the end.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use meltica_nats::testing::{Proxy, Server, ServerOptions};

use crate::{
    child::Process,
    ledger,
    publisher::INSTRUMENTS,
    report::{Delivered, Report},
};

/// Whose orders there are.
const PRODUCERS: [&str; 2] = ["desk-1", "desk-2"];
/// After each fault something new must come within this time.
const RECOVERY: Duration = Duration::from_secs(60);

#[derive(Args, Clone, Debug)]
pub(crate) struct ScriptArgs {
    /// How often each thing goes wrong: a publisher is killed, the receiver is, the server is, connections are cut, they
    /// stall, and they are slow.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) cycles: u64,
    /// In which order, and how far apart.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Order events per second and publisher.
    #[arg(long, default_value_t = 300)]
    orders: u32,
    /// Market data per second and publisher.
    #[arg(long, default_value_t = 3_000)]
    market: u32,
    /// In the end, leave the server away for so many seconds under load, and see what memory the publishers take meanwhile.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    outage: u64,
    /// How many subscriptions the receiver makes, and makes again after each end of its connection.
    #[arg(long, default_value_t = 1_000)]
    subscriptions: usize,
    /// Keep logs and ledgers in this folder.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Print the report as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    KillPublisher,
    KillReceiver,
    KillServer,
    Cut,
    Stall,
    Delay,
}

const FAULTS: [Fault; 6] = [
    Fault::KillPublisher,
    Fault::KillReceiver,
    Fault::KillServer,
    Fault::Cut,
    Fault::Stall,
    Fault::Delay,
];

struct Stage {
    folder: PathBuf,
    server: Server,
    /// In front of each publisher, and of the receiver.
    proxies: Vec<Proxy>,
    publishers: Vec<Process>,
    receiver: Process,
}

pub(crate) fn run(args: &ScriptArgs) -> Result<Report, String> {
    let temporary = tempfile::tempdir().map_err(|error| format!("no folder: {error}"))?;
    let folder = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    let mut random = fastrand::Rng::with_seed(args.seed);
    let start = Instant::now();
    let mut stage = Stage::set(args, &folder)?;
    let mut report = Report { cycles: args.cycles, seed: args.seed, ..Report::default() };
    stage.wait_for_news(RECOVERY)?;
    for cycle in 0..args.cycles {
        let mut faults = FAULTS;
        random.shuffle(&mut faults);
        for fault in faults {
            thread::sleep(Duration::from_millis(random.u64(20..150)));
            let since = Instant::now();
            stage.happens(fault, cycle, &mut random)?;
            let recovered = stage
                .wait_for_news(RECOVERY)
                .map_err(|error| format!("after {fault:?} of cycle {}: {error}", cycle + 1))?;
            report.note(fault, recovered.saturating_duration_since(since));
            stage.look()?;
        }
        if !args.json {
            eprint!("\r{} of {} cycles", cycle + 1, args.cycles);
        }
    }
    if !args.json {
        eprintln!();
    }
    report.outage = Duration::from_secs(args.outage);
    report.outage_memory = stage.outage(report.outage)?;
    report.connections = stage.proxies.iter().map(Proxy::connections).sum();
    for publisher in &mut stage.publishers {
        publisher.finish(Duration::from_secs(90))?;
        report.publisher_memory = report.publisher_memory.max(publisher.most_memory);
    }
    stage.wait_for_all(Duration::from_secs(60));
    stage.receiver.finish(Duration::from_secs(30))?;
    report.receiver_memory = stage.receiver.most_memory;
    report.took = start.elapsed();
    report.delivered = compare(&folder)?;
    report.problems = ledger::read(&folder.join("receiver/faults")).map_err(|e| e.to_string())?;
    Ok(report)
}

impl Stage {
    fn set(args: &ScriptArgs, folder: &Path) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let server = Server::start(ServerOptions::default().sync_always()).map_err(|e| text(&e))?;
        let proxy = || Proxy::start(server.address()).map_err(|e| text(&e));
        let proxies = (0..=PRODUCERS.len()).map(|_| proxy()).collect::<Result<Vec<_>, _>>()?;
        let made = |name: &str| {
            let made = folder.join(name);
            std::fs::create_dir_all(&made).map_err(|e| text(&e)).map(|()| made)
        };
        let flags = |flags: &[(&str, String)]| -> Vec<String> {
            flags.iter().flat_map(|(flag, value)| [(*flag).to_owned(), value.clone()]).collect()
        };
        let mut publishers = vec![];
        for (origin, proxy) in PRODUCERS.iter().zip(&proxies) {
            let mut arguments = vec!["publisher".to_owned()];
            arguments.extend(flags(&[
                ("--url", proxy.url()),
                ("--origin", (*origin).to_owned()),
                ("--folder", made(origin)?.display().to_string()),
                ("--orders", args.orders.to_string()),
                ("--market", args.market.to_string()),
            ]));
            let process = Process::start(origin, arguments, folder).map_err(|e| text(&e))?;
            publishers.push(process);
        }
        let mut arguments = vec!["subscriber".to_owned()];
        arguments.extend(flags(&[
            ("--url", proxies[PRODUCERS.len()].url()),
            ("--folder", made("receiver")?.display().to_string()),
            ("--subjects", args.subscriptions.max(INSTRUMENTS).to_string()),
        ]));
        let receiver = Process::start("receiver", arguments, folder).map_err(|e| text(&e))?;
        Ok(Self { folder: folder.to_owned(), server, proxies, publishers, receiver })
    }

    fn happens(
        &mut self,
        fault: Fault,
        cycle: u64,
        random: &mut fastrand::Rng,
    ) -> Result<(), String> {
        let one = cycle as usize % self.publishers.len();
        match fault {
            Fault::KillPublisher => self.publishers[one].kill(),
            Fault::KillReceiver => self.receiver.kill(),
            Fault::KillServer => {
                self.server.kill().map_err(|error| error.to_string())?;
                thread::sleep(Duration::from_millis(random.u64(0..200)));
                self.server.restart().map_err(|error| error.to_string())
            }
            Fault::Cut => {
                self.proxies[random.usize(..self.proxies.len())].cut();
                Ok(())
            }
            Fault::Stall => {
                let proxy = &self.proxies[random.usize(..self.proxies.len())];
                proxy.stall();
                thread::sleep(Duration::from_millis(random.u64(50..400)));
                if random.bool() {
                    // What did not come until now never does.
                    proxy.cut();
                }
                proxy.go();
                Ok(())
            }
            Fault::Delay => {
                let proxy = &self.proxies[random.usize(..self.proxies.len())];
                proxy.delay(Duration::from_millis(random.u64(1..50)));
                thread::sleep(Duration::from_millis(random.u64(50..400)));
                proxy.delay(Duration::ZERO);
                Ok(())
            }
        }
    }

    /// Waits until an order of each producer has come that was sent after now; when that was.
    fn wait_for_news(&self, limit: Duration) -> Result<Instant, String> {
        let sent: Vec<u64> = PRODUCERS
            .iter()
            .map(|origin| last_sent(&self.folder, origin))
            .collect::<Result<_, _>>()?;
        let end = Instant::now() + limit;
        loop {
            let came = last_come(&self.folder)?;
            let is_new =
                |(origin, sent): (&&str, &u64)| came.get(*origin).is_some_and(|came| came > sent);
            if PRODUCERS.iter().zip(&sent).all(is_new) {
                return Ok(Instant::now());
            }
            if Instant::now() >= end {
                return Err(format!(
                    "nothing new came within {limit:?}: sent {sent:?}, came {came:?}"
                ));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the last order of each producer has come; what has not will be seen missing.
    fn wait_for_all(&self, limit: Duration) {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            let came = last_come(&self.folder).unwrap_or_default();
            let has = |origin: &&str| {
                last_sent(&self.folder, origin).is_ok_and(|sent| came.get(*origin) == Some(&sent))
            };
            if PRODUCERS.iter().all(has) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The server is away for so long; how much more memory the publishers took in its second half than in its first, in
    /// bytes.
    fn outage(&mut self, time: Duration) -> Result<u64, String> {
        self.server.kill().map_err(|error| error.to_string())?;
        let start = Instant::now();
        let (mut first, mut second) = (0, 0);
        while start.elapsed() < time {
            thread::sleep(Duration::from_millis(50));
            self.look()?;
            let half = if start.elapsed() < time / 2 { &mut first } else { &mut second };
            let now = self.publishers.iter().map(Process::memory).max().unwrap_or(0);
            *half = now.max(*half);
        }
        self.server.restart().map_err(|error| error.to_string())?;
        self.wait_for_news(RECOVERY).map_err(|error| format!("after the outage: {error}"))?;
        Ok(second.saturating_sub(first))
    }

    fn look(&mut self) -> Result<(), String> {
        self.publishers.iter_mut().try_for_each(Process::look)?;
        self.receiver.look()
    }
}

/// The number of the last order that a producer knows to be in its outbox.
fn last_sent(folder: &Path, origin: &str) -> Result<u64, String> {
    let lines = ledger::last(&folder.join(origin).join("orders"), 1).map_err(|e| e.to_string())?;
    Ok(lines.last().and_then(|line| line.parse().ok()).unwrap_or(0))
}

/// The last order of each producer in the application's ledger.
fn last_come(folder: &Path) -> Result<HashMap<String, u64>, String> {
    let path = folder.join("receiver/application");
    let lines = ledger::last(&path, 4_096).map_err(|e| e.to_string())?;
    let pair = |line: &String| {
        let (origin, number) = line.split_once(' ')?;
        Some((origin.to_owned(), number.parse().ok()?))
    };
    Ok(lines.iter().filter_map(pair).collect())
}

/// Reconciles each producer's ledger with the application's.
fn compare(folder: &Path) -> Result<Delivered, String> {
    let came = ledger::read(&folder.join("receiver/application")).map_err(|e| e.to_string())?;
    let mut by_producer: HashMap<&str, Vec<u64>> = HashMap::new();
    for line in &came {
        let pair = line.split_once(' ').and_then(|(o, n)| Some((o, n.parse::<u64>().ok()?)));
        let (origin, number) = pair.ok_or_else(|| format!("no line of a ledger: {line:?}"))?;
        by_producer.entry(origin).or_default().push(number);
    }
    let mut delivered = Delivered::default();
    for origin in PRODUCERS {
        let sent = ledger::read(&folder.join(origin).join("orders")).map_err(|e| e.to_string())?;
        let sent: Vec<u64> = sent.iter().filter_map(|line| line.parse().ok()).collect();
        delivered.add(&sent, &by_producer.remove(origin).unwrap_or_default(), INSTRUMENTS as u64);
    }
    delivered.strange = by_producer.values().map(|numbers| numbers.len() as u64).sum();
    Ok(delivered)
}
