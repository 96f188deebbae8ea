//! Bars with a logarithmic scale, for the page of figures.

use std::{error::Error, fs, io, path::Path};

use plotters::prelude::*;

/// One contender: middle, least and greatest of its nanoseconds.
pub struct Bar {
    /// Who.
    pub name: &'static str,
    /// How long.
    pub nanos: (f64, f64, f64),
}

/// Contenders that are compared with one another.
pub struct Group {
    /// In what.
    pub title: String,
    /// Those of whom the name begins with `meltica` are set apart by their colour.
    pub bars: Vec<Bar>,
}

/// Draws groups, one above the other, with a scale that begins at some nanoseconds.
///
/// # Errors
///
/// What kept the file from being written.
pub fn draw(groups: &[Group], from: f64, path: &Path) -> io::Result<()> {
    let svg = svg(groups, from).map_err(io::Error::other)?;
    fs::write(path, svg)
}

fn svg(groups: &[Group], from: f64) -> Result<String, Box<dyn Error + Send + Sync>> {
    const ROW: u32 = 17;
    let width = 860;
    let heights = groups.iter().map(|group| ROW * (group.bars.len() as u32 + 2));
    let height = heights.sum::<u32>() + 30;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let label = |size: u32| ("sans-serif", size).into_font().color(&BLACK);
        // Five decades behind the names.
        let x = |nanos: f64| 250 + ((nanos / from).max(1.0).log10() * 105.0) as i32;
        let mut y = 8;
        for group in groups {
            area.draw(&Text::new(group.title.clone(), (8, y), label(14)))?;
            y += ROW as i32 + 2;
            for Bar { name, nanos: (nanos, least, greatest) } in &group.bars {
                let ours = name.starts_with("meltica");
                let color = if ours { RGBColor(0, 92, 175) } else { RGBColor(168, 168, 168) };
                let bar = [(x(from), y), (x(*nanos), y + 11)];
                area.draw(&Rectangle::new(bar, color.filled()))?;
                area.draw(&PathElement::new([(x(*least), y + 5), (x(*greatest), y + 5)], BLACK))?;
                area.draw(&Text::new(*name, (18, y), label(11)))?;
                let figure = if *nanos < 100.0 {
                    format!("{nanos:.1} ns")
                } else {
                    format!("{nanos:.0} ns")
                };
                let beside = (x(*greatest).max(x(*nanos)) + 6, y);
                area.draw(&Text::new(figure, beside, label(11)))?;
                y += ROW as i32;
            }
            y += ROW as i32 - 2;
        }
        area.present()?;
    }
    Ok(svg)
}
