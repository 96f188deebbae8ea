//! The tables as people read them.

use std::{fmt::Write as _, fs, io, path::Path};

use plotters::prelude::*;

use crate::workloads::Workload;

/// What one contender took for one workload. Middle, least and greatest where there are three.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) nanos: (f64, f64, f64),
    /// To the first contender, within a round.
    pub(crate) ratio: (f64, f64, f64),
    /// What 99.9 % of single uses did not exceed.
    pub(crate) tail: Option<f64>,
    /// How many for each use.
    pub(crate) allocations: f64,
}

/// One workload with objects of one size.
pub(crate) struct Table {
    pub(crate) bytes: usize,
    pub(crate) workload: Workload,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    pub(crate) fn markdown(&self) -> String {
        let title = self.workload.title();
        let mut text = format!(
            "### {} bytes: {title}\n\n| | ns | × the pool's | p99.9, ns | allocations |\n\
             | --- | ---: | ---: | ---: | ---: |\n",
            self.bytes
        );
        for row in &self.rows {
            let (nanos, least, greatest) = row.nanos;
            let (ratio, lowest, highest) = row.ratio;
            let tail = row.tail.map_or("".into(), |tail| format!("{tail:.0}"));
            // A growing queue allocates once in many uses; a hundredth of an allocation is no allocation.
            let allocations = format!("{:.2}", row.allocations);
            let _ = writeln!(
                text,
                "| {} | {nanos:.1} [{least:.1} to {greatest:.1}] | {ratio:.2} [{lowest:.2} to \
                 {highest:.2}] | {tail} | {allocations} |",
                row.name
            );
        }
        text
    }
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");
const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pools.svg");
const BEGIN: &str = "<!-- written by the bench `pools` from here -->\n";
const END: &str = "<!-- to here -->";

/// Puts the tables in their place on the page, and draws the plot.
pub(crate) fn write(tables: &[Table], rounds: usize) -> io::Result<()> {
    let page = fs::read_to_string(PAGE)?;
    let missing = || io::Error::other(format!("{} is missing", BEGIN.trim()));
    let start = page.find(BEGIN).ok_or_else(missing)? + BEGIN.len();
    let end = start + page[start..].find(END).ok_or_else(missing)?;
    let mut text = format!(
        "\nMedian [least to greatest] of {rounds} interleaved rounds. The ratio is that to the pool's time in \
         the same round: above 1, the pool is quicker.\n\n![The pool beside the others](pools.svg)\n\n"
    );
    for table in tables {
        text.push_str(&table.markdown());
        text.push('\n');
    }
    plot(tables, Path::new(PLOT)).map_err(io::Error::other)?;
    fs::write(PAGE, format!("{}{text}{}", &page[..start], &page[end..]))
}

/// Bars, one group a workload, with a logarithmic scale.
fn plot(tables: &[Table], path: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    const ROW: u32 = 17;
    let width = 860;
    let heights = tables.iter().map(|table| ROW * (table.rows.len() as u32 + 2));
    let height = heights.sum::<u32>() + 30;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let label = |size: u32| ("sans-serif", size).into_font().color(&BLACK);
        // From one nanosecond to a hundred thousand: some 90 pixels a decade, behind the names.
        let x = |nanos: f64| 250 + (nanos.max(1.0).log10() * 105.0) as i32;
        let mut y = 8;
        for table in tables {
            let title = format!("{} bytes: {}", table.bytes, table.workload.title());
            area.draw(&Text::new(title, (8, y), label(14)))?;
            y += ROW as i32 + 2;
            for row in &table.rows {
                let ours = row.name.starts_with("meltica");
                let color = if ours { RGBColor(0, 92, 175) } else { RGBColor(168, 168, 168) };
                let (nanos, least, greatest) = row.nanos;
                let bar = [(x(1.0), y), (x(nanos), y + 11)];
                area.draw(&Rectangle::new(bar, color.filled()))?;
                area.draw(&PathElement::new([(x(least), y + 5), (x(greatest), y + 5)], BLACK))?;
                area.draw(&Text::new(row.name, (18, y), label(11)))?;
                let figure = format!("{nanos:.1} ns");
                area.draw(&Text::new(figure, (x(greatest).max(x(nanos)) + 6, y), label(11)))?;
                y += ROW as i32;
            }
            y += ROW as i32 - 2;
        }
        area.present()?;
    }
    fs::write(path, svg)?;
    Ok(())
}
