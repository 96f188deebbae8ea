//! Which messages of the ring are for which lanes.
//!
//! Sixteen lanes make a *bank*. Four messages have their bits in one word of it, one for each lane, so that a message
//! for all sixteen is told by one store, and a lane that is for few of many passes four of them with one load.
//!
//! Words are used again, two laps later. A lane for which there is something is no further behind than a lap, so what it
//! reads is not written meanwhile. But one for which there was nothing for long may look at a word by an `upto` of
//! before, while the writer puts into its place what is two laps further. So the writer tells that it is that far
//! before it stores the word, with Release; and the lane, which reads words with Acquire, asks how far it is told after it
//! has found something: further than such a word could be asked for, and it is another one's.

use std::sync::{Arc, Mutex};

use crate::sync::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    lock,
};

/// Lanes of a bank.
const LANES: u64 = 16;
/// Messages of a word.
const SPAN: u64 = 64 / LANES;
/// The first lane's bits of a word.
const FIRST: u64 = u64::MAX / ((1 << LANES) - 1);

/// What the writer tells the lanes of a bank.
pub(super) struct Bank {
    /// What lies before is told.
    upto: Apart,
    /// Twice as many as the messages of the ring need, so that the writer can begin a word while a lane has yet to read
    /// what is in the word that will be its last.
    words: Box<[Line]>,
}

/// On lines of its own: two, since processors fetch them in pairs.
#[repr(align(128))]
struct Apart(AtomicU64);

/// Words on a line of theirs.
#[repr(align(64))]
struct Line([AtomicU64; WORDS]);

const WORDS: usize = 8;

impl Bank {
    fn new(capacity: u64) -> Self {
        let lines = (2 * capacity.div_ceil(SPAN)).div_ceil(WORDS as u64).next_power_of_two();
        let line = |_| Line(std::array::from_fn(|_| AtomicU64::new(0)));
        Self { upto: Apart(AtomicU64::new(0)), words: (0..lines).map(line).collect() }
    }

    /// How many words are sure to be up to date: half of them, which holds a ring's messages.
    #[inline]
    fn lap(&self) -> u64 {
        (self.words.len() * WORDS) as u64 / 2
    }

    #[inline]
    fn word(&self, word: u64) -> &AtomicU64 {
        let word = word as usize;
        &self.words[(word / WORDS) & (self.words.len() - 1)].0[word % WORDS]
    }
}

/// Places for lanes, of banks that have some free.
#[derive(Clone, Default)]
pub(super) struct Seats(Arc<Mutex<Vec<Seat>>>);

impl Seats {
    /// One more lane's place in a ring of this capacity.
    pub(super) fn take(&self, capacity: u64) -> Post {
        let mut free = lock(&self.0);
        if free.is_empty() {
            let bank = Arc::new(Bank::new(capacity));
            free.extend((0..LANES).rev().map(|lane| Seat { bank: Arc::clone(&bank), lane }));
        }
        let seat = free.pop().expect("there is a bank more");
        drop(free);
        let (done, next) = (Apart(AtomicU64::new(OUT)), Apart(AtomicU64::new(OUT << 1)));
        Post { seat, done, next, seats: self.clone() }
    }
}

#[derive(Clone)]
struct Seat {
    bank: Arc<Bank>,
    lane: u64,
}

/// Where a lane is that is not in the ring: nothing of it is unread.
pub(super) const OUT: u64 = u64::MAX;

/// A lane's place: what it and the writer tell one another.
pub(crate) struct Post {
    seat: Seat,
    /// What lies before is passed: written by the lane, and read by the writer.
    done: Apart,
    /// Twice the number before which nothing is unread, and one more if that one is known to be: a hint for whoever does
    /// not hold the lane's lock. The writer has no business there.
    next: Apart,
    /// Where the seat goes when the lane has gone.
    seats: Seats,
}

impl Post {
    pub(super) fn bank(&self) -> &Arc<Bank> {
        &self.seat.bank
    }

    /// Its bit of the first message of a word.
    pub(super) fn bit(&self) -> u64 {
        1 << self.seat.lane
    }

    /// What lies before is told. Cells, slots and words of it were written before.
    #[inline]
    pub(super) fn upto(&self) -> u64 {
        self.seat.bank.upto.0.load(Acquire)
    }

    /// What lies before is passed, and was read before.
    #[inline]
    pub(super) fn done(&self) -> u64 {
        self.done.0.load(Acquire)
    }

    /// What lies before is passed. What was read of it was read before.
    #[inline]
    pub(super) fn pass(&self, number: u64) {
        self.done.0.store(number, Release);
    }

    /// Nothing before is unread; this one is, if that is known.
    #[inline]
    pub(super) fn hint(&self, next: u64, is_known: bool) {
        self.next.0.store(next << 1 | u64::from(is_known), Relaxed);
    }

    /// Whether something may be unread: a hint, that sees what was published before.
    #[inline]
    pub(crate) fn has_unread(&self) -> bool {
        let hint = self.next.0.load(Relaxed);
        if hint & 1 == 1 {
            return true;
        }
        let (next, upto) = (hint >> 1, self.upto());
        if next >= upto {
            return false;
        }
        // What is told is told: if there is nothing for this lane, there will not be. A word of another lap may say that
        // there is; who claims finds out.
        let first = self.each_from(next, true, upto, |_| false);
        if first == upto {
            self.hint(upto, false);
        }
        first < upto
    }

    /// The numbers that are for the lane from one on and up to another, which is what [`upto`](Self::upto) was, in order,
    /// until `visit` answers false. Answers where it ended: at the number that was not wanted any more, or where it
    /// was to end. Of what lies more than a lap back there is nothing.
    #[inline]
    pub(super) fn each(&self, from: u64, upto: u64, visit: impl FnMut(u64) -> bool) -> u64 {
        self.each_from(from, false, upto, visit)
    }

    /// As [`each`](Self::each), where it may be sure that the lane has something unread from there on or claimed before,
    /// so that no word is another lap's.
    #[inline]
    pub(super) fn each_from(
        &self,
        from: u64,
        mut is_sure: bool,
        upto: u64,
        mut visit: impl FnMut(u64) -> bool,
    ) -> u64 {
        let bank = &*self.seat.bank;
        let mine = FIRST << self.seat.lane;
        let mut from = from.max(upto.saturating_sub(bank.lap() * SPAN));
        while from < upto {
            let word = from / SPAN;
            let mut bits =
                bank.word(word).load(Acquire) & mine & (u64::MAX << (from % SPAN * LANES));
            if bits != 0 && !is_sure {
                // With something to read it stays that near, and what comes after is this lane's too.
                is_sure = self.upto() < (word + bank.lap() + 1) * SPAN;
                if !is_sure {
                    bits = 0;
                }
            }
            while bits != 0 {
                let number = word * SPAN + u64::from(bits.trailing_zeros()) / LANES;
                if number >= upto || !visit(number) {
                    return number.min(upto);
                }
                bits &= bits - 1;
            }
            from = (word + 1) * SPAN;
        }
        upto
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        lock(&self.seats.0).push(self.seat.clone());
    }
}

/// The writer's half of a bank.
pub(super) struct Teller {
    bank: Arc<Bank>,
    /// The word of the last message addressed, what is to be set in it, and what is.
    word: u64,
    bits: u64,
    stored: u64,
    /// The lanes of the last message addressed.
    lanes: u64,
    /// After the last message addressed.
    upto: u64,
    /// What lies before is told.
    told: u64,
    /// There are messages that have not been told.
    is_fresh: bool,
}

impl Teller {
    pub(super) fn new(bank: &Arc<Bank>) -> Self {
        Self {
            bank: Arc::clone(bank),
            word: 0,
            bits: 0,
            stored: 0,
            lanes: 0,
            upto: 0,
            told: 0,
            is_fresh: false,
        }
    }

    pub(super) fn is_of(&self, bank: &Arc<Bank>) -> bool {
        Arc::ptr_eq(&self.bank, bank)
    }

    /// Has a message be for these lanes, by their [bits](Post::bit). Numbers grow. Answers whether all before it is told.
    #[inline]
    pub(super) fn address(&mut self, number: u64, lanes: u64) -> bool {
        let word = number / SPAN;
        if word != self.word {
            self.begin(word);
        }
        self.bits |= lanes << (number % SPAN * LANES);
        self.lanes = lanes;
        self.upto = number + 1;
        !std::mem::replace(&mut self.is_fresh, true)
    }

    #[inline]
    fn begin(&mut self, word: u64) {
        self.store(u64::MAX, self.bits);
        // What lies between has nothing for anybody, but may say what it had some laps ago.
        for skipped in (self.word + 1).max(word.saturating_sub(self.bank.lap()))..word {
            self.bank.word(skipped).store(0, Release);
        }
        (self.word, self.bits) = (word, 0);
        // Nobody else writes to it.
        self.stored = self.bank.word(word).load(Relaxed);
        if self.told + self.bank.lap() * SPAN < (word + 1) * SPAN {
            // Too far for words of before to stay where they are.
            self.tell(word * SPAN);
        }
    }

    /// Sees to it that the word says what it is to say of the messages of this mask: it may be there already, from two
    /// laps before. Lanes read the words beside it, so it is not written for nothing.
    #[inline]
    fn store(&mut self, mask: u64, bits: u64) {
        if (self.stored ^ self.bits) & mask != 0 {
            self.bank.word(self.word).store(bits, Release);
            self.stored = bits;
        }
    }

    #[inline]
    fn tell(&mut self, upto: u64) {
        self.told = upto;
        // Release: cells, slots and words were written before.
        self.bank.upto.0.store(upto, Release);
    }

    /// Tells what has not been told.
    #[inline]
    pub(super) fn publish(&mut self) {
        if !std::mem::replace(&mut self.is_fresh, false) {
            return;
        }
        // Of what lies after what is told lanes believe nothing, so it may be said that it will be as the last.
        let addressed = (self.upto - self.word * SPAN) * LANES;
        let mask = u64::MAX >> (64 - addressed);
        let guess = FIRST.wrapping_mul(self.lanes) & !mask;
        self.store(mask, self.bits | guess);
        self.tell(self.upto);
    }
}
