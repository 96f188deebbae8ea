//! Messages that wait for one lane, in places that are there from the beginning.
//!
//! A place is counted from the beginning of time, so that what is known of one stays true while others come and go. Where
//! a message was taken from the middle its place stays empty until it is worth closing up.
//!
//! All places are made, and touched, with the lane: a lane that is further behind than ever before neither allocates nor
//! has the process grow.

use super::Entry;
use crate::Protocol;

pub(super) struct Places<P: Protocol> {
    places: Box<[Option<Entry<P>>]>,
    /// The position of the first place in use, and where that is among the places.
    front: u64,
    front_index: usize,
    /// What lies after the last one.
    back: u64,
    /// How many of the places in use hold an entry.
    entries: usize,
}

impl<P: Protocol> Places<P> {
    /// With places for so many entries, and for the empty places between them.
    pub(super) fn new(entries: usize) -> Self {
        let places = Self::vacant(Self::most_places(entries) + 1);
        Self { places, front: 0, front_index: 0, back: 0, entries: 0 }
    }

    fn vacant(places: usize) -> Box<[Option<Entry<P>>]> {
        (0..places).map(|_| None).collect()
    }

    /// In how many places so many entries may lie, before it is worth closing them up.
    fn most_places(entries: usize) -> usize {
        entries + entries / 4 + 64
    }

    /// Where a position is among the places, if it is in use or the next one.
    #[inline]
    fn index(&self, position: u64) -> usize {
        let index = self.front_index + (position - self.front) as usize;
        if index < self.places.len() { index } else { index - self.places.len() }
    }

    /// How many entries wait.
    pub(super) fn len(&self) -> usize {
        self.entries
    }

    /// The position of the first place in use: of the first entry, if there is any.
    pub(super) fn front_position(&self) -> u64 {
        self.front
    }

    /// The entry at a position, if it is still there.
    #[inline]
    pub(super) fn get(&self, position: u64) -> Option<&Entry<P>> {
        self.places[self.index(position)].as_ref()
    }

    /// As [`get`](Self::get), to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, position: u64) -> Option<&mut Entry<P>> {
        let index = self.index(position);
        self.places[index].as_mut()
    }

    /// Adds an entry behind all others. Answers its position.
    #[inline]
    pub(super) fn push(&mut self, entry: impl FnOnce() -> Entry<P>) -> u64 {
        if (self.back - self.front) as usize == self.places.len() {
            self.grow();
        }
        let (position, index) = (self.back, self.index(self.back));
        // Made in its place: see `Writer::put`.
        self.places[index] = Some(entry());
        self.back += 1;
        self.entries += 1;
        position
    }

    /// Takes the entry at a position, if it is still there.
    #[inline]
    pub(super) fn take(&mut self, position: u64) -> Option<Entry<P>> {
        let index = self.index(position);
        let entry = self.places[index].take();
        self.entries -= usize::from(entry.is_some());
        entry
    }

    /// Takes the first entry, after which no empty place is in front.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry<P>> {
        let entry = if self.front < self.back { self.take(self.front) } else { None };
        self.trim();
        entry
    }

    /// The first entry, if no empty place is in front.
    #[inline]
    pub(super) fn front(&self) -> Option<&Entry<P>> {
        self.get(self.front).filter(|_| self.front < self.back)
    }

    /// Passes over empty places in front.
    #[inline]
    pub(super) fn trim(&mut self) {
        while self.front < self.back && self.places[self.front_index].is_none() {
            self.front_index = self.index(self.front + 1);
            self.front += 1;
        }
    }

    /// Whether so many places are empty that it is worth closing them up.
    #[inline]
    pub(super) fn is_loose(&self) -> bool {
        (self.back - self.front) as usize > Self::most_places(self.entries)
    }

    /// Whether no place is left, and enough of them are empty that it is worth closing them up in place of making more.
    #[inline]
    pub(super) fn is_cramped(&self) -> bool {
        let places = self.places.len();
        (self.back - self.front) as usize == places && places - self.entries > places / 16
    }

    /// Closes up the empty places, and shows each entry at its new position, in order. Constant cost per message, if it
    /// is done when it is [worth it](Self::is_loose).
    pub(super) fn close_up(&mut self, mut show: impl FnMut(u64, &Entry<P>)) {
        let mut to = self.front;
        for from in self.front..self.back {
            let (old, new) = (self.index(from), self.index(to));
            let Some(entry) = &self.places[old] else { continue };
            show(to, entry);
            self.places.swap(old, new);
            to += 1;
        }
        self.back = to;
    }

    /// Twice as many places, for more streams than were thought of.
    #[cold]
    fn grow(&mut self) {
        let mut places = Self::vacant(2 * self.places.len());
        for (place, position) in places.iter_mut().zip(self.front..self.back) {
            let index = self.index(position);
            *place = self.places[index].take();
        }
        (self.places, self.front_index) = (places, 0);
    }
}

#[cfg(test)]
mod tests;
