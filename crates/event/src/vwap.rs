use crate::{Price, Quantity};

/// The volume-weighted average price of some trades: the sum of price times quantity over the sum of
/// quantities.
///
/// Sums are exact, whatever the prices and quantities, for up to 2⁶³ trades; the one rounding is that
/// of the average to a [`Price`], to the nearest unit of 10⁻⁹, halves away from zero. So the order in
/// which trades are added does not matter.
///
/// ```
/// use meltica_event::Vwap;
///
/// let mut vwap = Vwap::default();
/// vwap.add("100".parse()?, "1".parse()?);
/// vwap.add("101".parse()?, "3".parse()?);
/// assert_eq!(vwap.average(), Some("100.75".parse()?));
/// assert_eq!(vwap.volume(), "4".parse()?);
/// # Ok::<(), meltica_event::ParseDecimalError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vwap {
    /// The sum of price times quantity is `high` × 2⁶⁴ + `low`. One product has 127 bits and a sign,
    /// so that two could already overflow an `i128`.
    high: i128,
    low: u64,
    /// The sum of quantities.
    volume: u128,
}

impl Vwap {
    /// Adds a trade. One of nothing changes nothing.
    #[inline]
    pub fn add(&mut self, price: Price, quantity: Quantity) {
        // At most 2⁶³ × (2⁶⁴ - 1) in magnitude, which fits.
        let product = i128::from(price.units()) * i128::from(quantity.units());
        let (low, carry) = self.low.overflowing_add(product as u64);
        self.low = low;
        // Shifting rounds towards minus infinity, and `low` is what that leaves.
        self.high += (product >> 64) + i128::from(carry);
        self.volume += u128::from(quantity.units());
    }

    /// The average; `None` if nothing was traded.
    pub fn average(&self) -> Option<Price> {
        if self.volume == 0 {
            return None;
        }
        let negative = self.high < 0;
        let (high, low) = if negative {
            let (low, borrow) = 0u64.overflowing_sub(self.low);
            ((-(self.high + i128::from(borrow))) as u128, low)
        } else {
            (self.high as u128, self.low)
        };
        let magnitude = divide_rounding(high, low, self.volume);
        let units = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
        // An average lies between the least and the greatest price.
        i64::try_from(units).ok().map(Price::from_units)
    }

    /// How much was traded; if that is more than a quantity can hold, the most it can.
    pub fn volume(&self) -> Quantity {
        Quantity::from_units(u64::try_from(self.volume).unwrap_or(u64::MAX))
    }
}

/// (`high` × 2⁶⁴ + `low`) / `divisor`, rounded to the nearest, halves up. The quotient fits, because
/// the dividend is a sum of `divisor` numbers that each fit.
fn divide_rounding(high: u128, low: u64, divisor: u128) -> u64 {
    if high < 1 << 63 {
        let dividend = high << 64 | u128::from(low);
        let (quotient, rest) = (dividend / divisor, dividend % divisor);
        return (quotient + u128::from(rest >= divisor - rest)) as u64;
    }
    // Bit by bit, as on paper: `rest` is below `divisor`, which is below 2¹²⁷.
    let (mut quotient, mut rest) = (0u64, high);
    for bit in (0..64).rev() {
        rest = rest << 1 | u128::from(low >> bit & 1);
        quotient <<= 1;
        if rest >= divisor {
            rest -= divisor;
            quotient |= 1;
        }
    }
    quotient + u64::from(rest >= divisor - rest)
}
