//! The orchestrator alone, with a message of one's own: how warm it is in a city, by its thermometers.

use std::time::{Duration, Instant};

use meltica_orchestrator::{Incomplete, Merge, Orchestrator, PushError, Sequence, Window};

#[derive(Debug)]
struct Reading {
    city: &'static str,
    thermometer: u8,
    number: u64,
    millidegrees: i64,
}

/// The merge: it says what must be known, so that `Reading` need not.
struct Mean {
    thermometers: Vec<u8>,
}

impl Merge for Mean {
    type Partial = Reading;
    type Key = &'static str;
    type Source = u8;
    type Merged = String;

    fn key(&self, reading: &Reading) -> &'static str {
        reading.city
    }

    fn source(&self, reading: &Reading) -> u8 {
        reading.thermometer
    }

    fn sequence(&self, reading: &Reading) -> Sequence {
        Sequence::Numbered(reading.number)
    }

    fn expected(&self, _: &'static str) -> &[u8] {
        &self.thermometers
    }

    fn merge(&mut self, window: Window<'_, Self>) -> Option<String> {
        let sum: i64 = window.partials().map(|reading| reading.millidegrees).sum();
        let mean = sum / window.len() as i64;
        let (whole, rest) = (mean / 1_000, mean.abs() % 1_000);
        let lacks = match window.missing() {
            0 => String::new(),
            missing => format!(" ({missing} thermometers are silent)"),
        };
        Some(format!("{}: {whole}.{rest:03}°{lacks}", window.key()))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut orchestrator = Orchestrator::builder(Mean { thermometers: vec![1, 2, 3] })
        .window(Duration::from_millis(200))
        .incomplete(Incomplete::Mark)
        .build()?;
    let start = Instant::now();
    let readings = [
        ("Oslo", 2, 1, -3_000),
        ("Bonn", 1, 1, 21_000),
        ("Oslo", 1, 1, -3_500),
        ("Oslo", 3, 1, -2_900),
        ("Oslo", 1, 1, -3_500),
    ];
    for (city, thermometer, number, millidegrees) in readings {
        let reading = Reading { city, thermometer, number, millidegrees };
        match orchestrator.push(reading, start) {
            Ok(_) => {}
            Err(PushError::Late(reading)) => println!("late: {reading:?}"),
            Err(error) => return Err(format!("{error}").into()),
        }
        while let Some(mean) = orchestrator.pop() {
            println!("{mean}");
        }
    }
    // Time is an argument: nobody waits here.
    orchestrator.poll(start + Duration::from_millis(200));
    while let Some(mean) = orchestrator.pop() {
        println!("{mean}");
    }
    println!("{:?}", orchestrator.stats());
    Ok(())
}
