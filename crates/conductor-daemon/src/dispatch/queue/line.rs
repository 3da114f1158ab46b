//! The jobs of one queue, in the order in which they came and also in the order of each input. Any job is removed in
//! constant time.

use std::sync::Arc;

use super::Job;
use super::values::{Key, Spot, Values};

/// The jobs that wait.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Places for jobs. Empty places are used again.
    places: Vec<Place>,
    empty: Vec<usize>,
    order: Chain,
    /// The shares of the inputs. The share of an input with no job in the line is used again for another input.
    shares: Vec<Share>,
    bytes: usize,
    /// Number of the next job.
    next: u64,
    /// Counts jobs that are not values of a continuous controller, so that values before and after such a job are told
    /// apart.
    segment: u64,
    /// Which values are replaced by later ones. It is only kept from when the line was full until the line is empty.
    values: Option<Values>,
}

/// A place for a job.
#[derive(Debug)]
struct Place {
    job: Option<Job>,
    number: u64,
    bytes: usize,
    /// What the value has in common with the values that replace it; none if the job is not a value.
    key: Option<Key>,
    share: usize,
    lane: Lane,
    links: [Links; 2],
}

/// Two kinds of job, which a full queue treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Jobs that may give way.
    Usual,
    /// Jobs that end something or that the user makes by hand. Other jobs give way to them.
    Kept,
}

/// The waiting jobs of one input.
#[derive(Debug)]
struct Share {
    input: Arc<str>,
    bytes: usize,
    lanes: [Chain; 2],
}

/// Which links of a place: those of the whole line, or those of its lane.
#[derive(Clone, Copy)]
enum Which {
    Order = 0,
    Lane = 1,
}

#[derive(Clone, Copy, Debug, Default)]
struct Links {
    before: Option<usize>,
    after: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    first: Option<usize>,
    last: Option<usize>,
    len: usize,
}

/// What a full queue has too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// Places.
    Places,
    /// Bytes.
    Bytes,
}

impl Line {
    pub(super) const fn len(&self) -> usize {
        self.order.len
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a job of `bytes` bytes at the end.
    pub(super) fn push(&mut self, job: Job, bytes: usize) {
        self.segment += u64::from(job.event.body.controller().is_none());
        let lane = Lane::of(&job);
        let share = self.share_of(&job.event.input);
        let number = self.next;
        self.next += 1;
        let links = [Links::default(); 2];
        let key = Key::of(&job, share, self.segment);
        let place = Place { job: Some(job), number, bytes, key: key.clone(), share, lane, links };
        let at = match self.empty.pop() {
            Some(at) => {
                self.places[at] = place;
                at
            }
            None => {
                self.places.push(place);
                self.places.len() - 1
            }
        };
        self.bytes += bytes;
        self.order.append(&mut self.places, Which::Order, at);
        let share = &mut self.shares[share];
        share.bytes += bytes;
        share.lanes[lane as usize].append(&mut self.places, Which::Lane, at);
        if let (Some(key), Some(values)) = (key, &mut self.values) {
            values.came(key, Spot { at, number });
        }
    }

    /// Takes the first job out.
    pub(super) fn pop(&mut self) -> Option<Job> {
        let job = self.remove(self.order.first?);
        if let Some(mut values) = self.values.take().filter(|_| self.order.len > 0) {
            values.replaced(|spot| self.is_there(spot));
            self.values = Some(values);
        }
        job
    }

    /// Drops a value that a later value, or `newest`, replaces. Returns whether there was such a value.
    pub(super) fn coalesce(&mut self, newest: &Job) -> bool {
        let share = self.find_share(&newest.event.input);
        let key = share.and_then(|share| Key::of(newest, share, self.segment));
        let mut values = self.values.take().unwrap_or_else(|| self.find_values());
        let replaced = values.replaced(|spot| self.is_there(spot)).or_else(|| values.last(&key?));
        self.values = Some(values);
        replaced.is_some_and(|spot| self.remove(spot.at).is_some())
    }

    /// Drops a job so that `newest`, of `bytes` bytes, can have its room: for a job that is to be kept, the newest
    /// usual job of the input that has most of them; otherwise the newest job of an input that has more than its share.
    /// Returns whether a job was dropped.
    pub(super) fn give_way(&mut self, newest: &Job, bytes: usize, lack: Lack) -> bool {
        let own = self.find_share(&newest.event.input);
        let own = own.map_or(0, |own| self.shares[own].weight(lack));
        let usual = |share: &Share| share.lanes[Lane::Usual as usize].len;
        let replaced = match Lane::of(newest) {
            Lane::Kept => {
                self.shares.iter().filter(|share| usual(share) > 0).max_by_key(|share| usual(share))
            }
            Lane::Usual => None,
        };
        let replaced = replaced.or_else(|| {
            let largest = self.shares.iter().max_by_key(|share| share.weight(lack))?;
            let wanted = match lack {
                Lack::Places => own + 1,
                Lack::Bytes => own + bytes,
            };
            (largest.weight(lack) > wanted).then_some(largest)
        });
        let last = replaced.and_then(|share| share.lanes.iter().find_map(|lane| lane.last));
        last.is_some_and(|at| self.remove(at).is_some())
    }

    fn remove(&mut self, at: usize) -> Option<Job> {
        let job = self.places[at].job.take()?;
        let Place { share, lane, bytes, number, ref key, .. } = self.places[at];
        if let (Some(key), Some(values)) = (key, &mut self.values) {
            values.left(key, Spot { at, number });
        }
        self.order.unlink(&mut self.places, Which::Order, at);
        self.shares[share].lanes[lane as usize].unlink(&mut self.places, Which::Lane, at);
        self.shares[share].bytes -= bytes;
        self.bytes -= bytes;
        self.empty.push(at);
        Some(job)
    }

    /// The values that are in the line already. This pass over the line is made at most once before the line is empty
    /// again.
    fn find_values(&self) -> Values {
        let mut values = Values::default();
        let mut next = self.order.first;
        while let Some(at) = next {
            let place = &self.places[at];
            if let Some(key) = place.key.clone() {
                values.came(key, Spot { at, number: place.number });
            }
            next = place.links[Which::Order as usize].after;
        }
        values
    }

    fn is_there(&self, spot: Spot) -> bool {
        self.places.get(spot.at).is_some_and(|place| place.job.is_some() && place.number == spot.number)
    }

    fn find_share(&self, input: &Arc<str>) -> Option<usize> {
        self.shares.iter().position(|share| Arc::ptr_eq(&share.input, input) || share.input == *input)
    }

    fn share_of(&mut self, input: &Arc<str>) -> usize {
        if let Some(share) = self.find_share(input) {
            return share;
        }
        let share = Share { input: Arc::clone(input), bytes: 0, lanes: Default::default() };
        match self.shares.iter().position(|share| share.lanes.iter().all(|lane| lane.len == 0)) {
            Some(unused) => {
                self.shares[unused] = share;
                unused
            }
            None => {
                self.shares.push(share);
                self.shares.len() - 1
            }
        }
    }
}

impl Lane {
    fn of(job: &Job) -> Self {
        if job.event.body.is_kept() { Self::Kept } else { Self::Usual }
    }
}

impl Share {
    /// How much of `lack` the input uses.
    fn weight(&self, lack: Lack) -> usize {
        match lack {
            Lack::Places => self.lanes.iter().map(|lane| lane.len).sum(),
            Lack::Bytes => self.bytes,
        }
    }
}

impl Chain {
    fn append(&mut self, places: &mut [Place], which: Which, at: usize) {
        places[at].links[which as usize] = Links { before: self.last, after: None };
        match self.last {
            Some(last) => places[last].links[which as usize].after = Some(at),
            None => self.first = Some(at),
        }
        self.last = Some(at);
        self.len += 1;
    }

    fn unlink(&mut self, places: &mut [Place], which: Which, at: usize) {
        let Links { before, after } = places[at].links[which as usize];
        match before {
            Some(before) => places[before].links[which as usize].after = after,
            None => self.first = after,
        }
        match after {
            Some(after) => places[after].links[which as usize].before = before,
            None => self.last = before,
        }
        self.len -= 1;
    }
}
