use std::collections::VecDeque;

use meltica_event::Side;

use crate::Number;

/// How many levels of each side the checksum covers.
const CHECKED: usize = 10;

/// A book in Kraken's own digits: what its checksum runs over.
///
/// Kraken's CRC32 is that of the best ten asks, then of the best ten bids, each the price's and then
/// the quantity's digits, without the point and without leading zeros. Version 1 and version 2 of its
/// WebSocket agree in this.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    /// Highest price first.
    bids: VecDeque<Rung>,
    /// Lowest price first.
    asks: VecDeque<Rung>,
}

/// A level, with the digits that it adds to the checksum: a level stands through many updates.
#[derive(Clone, Copy, Debug)]
struct Rung {
    price: Number,
    text: [u8; TEXT],
    len: u8,
}

/// Room for two numbers of at most twenty digits.
const TEXT: usize = 40;

impl Rung {
    fn new(price: Number, quantity: Number) -> Self {
        let mut text = [0; TEXT];
        let len = write(price.digits(), &mut text);
        let len = len + write(quantity.digits(), &mut text[len..]);
        Self { price, text, len: len as u8 }
    }

    fn text(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }
}

impl Ladder {
    /// An empty one, with room for `levels` a side.
    pub fn with_capacity(levels: usize) -> Self {
        Self { bids: VecDeque::with_capacity(levels), asks: VecDeque::with_capacity(levels) }
    }

    /// Forgets every level, keeping the room.
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// Puts a quantity at a price; zero takes the price away.
    pub fn set(&mut self, side: Side, price: Number, quantity: Number) {
        let rungs = self.side_mut(side);
        let found = rungs.binary_search_by(|rung| match side {
            Side::Buy => price.cmp(&rung.price),
            Side::Sell => rung.price.cmp(&price),
        });
        match found {
            Ok(index) if quantity.is_zero() => drop(rungs.remove(index)),
            Ok(index) => rungs[index] = Rung::new(price, quantity),
            Err(_) if quantity.is_zero() => {}
            Err(index) => rungs.insert(index, Rung::new(price, quantity)),
        }
    }

    /// Takes away what is deeper than `depth`, and tells the prices that went.
    pub fn cut(&mut self, depth: usize, gone: &mut dyn FnMut(Side, Number)) {
        for side in [Side::Buy, Side::Sell] {
            let rungs = self.side_mut(side);
            for rung in rungs.iter().skip(depth) {
                gone(side, rung.price);
            }
            rungs.truncate(depth);
        }
    }

    /// The checksum of the book as it is. Allocates nothing; costs some hundred nanoseconds.
    pub fn checksum(&self) -> u32 {
        let mut text = [0; CHECKED * 2 * TEXT];
        let mut len = 0;
        for rung in self.asks.iter().take(CHECKED).chain(self.bids.iter().take(CHECKED)) {
            let rung = rung.text();
            text[len..len + rung.len()].copy_from_slice(rung);
            len += rung.len();
        }
        crc32fast::hash(&text[..len])
    }

    fn side_mut(&mut self, side: Side) -> &mut VecDeque<Rung> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

/// Writes a number in decimal, and answers how many digits it has.
fn write(number: u64, into: &mut [u8]) -> usize {
    let len = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    let mut rest = number;
    for digit in into[..len].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    len
}

#[cfg(test)]
mod tests;
