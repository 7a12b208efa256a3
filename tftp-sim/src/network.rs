//! Datagrams under way: which are lost, which come twice, which come late.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tftp_proto::{Instant, Rng};

/// One datagram.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Datagram {
    /// Its source.
    pub from: SocketAddr,
    /// Its destination.
    pub to: SocketAddr,
    /// Its payload.
    pub bytes: Vec<u8>,
}

/// What a network does to datagrams. The default does nothing to them and takes no time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Datagrams lost, per mille.
    pub loss: u32,
    /// Datagrams that come twice, per mille.
    pub duplication: u32,
    /// Datagrams overtaken by later ones, per mille.
    pub reordering: u32,
    /// The shortest way.
    pub delay: Duration,
    /// What is added to it at most, so that even datagrams that are not picked for reordering may be overtaken.
    pub jitter: Duration,
}

/// A link of fixed rate that all datagrams from one host share, with a queue before it.
#[derive(Debug, Clone, Copy)]
pub struct Bottleneck {
    /// Whose datagrams pass it.
    pub host: IpAddr,
    /// Bytes per second, headers not counted.
    pub rate: u64,
    /// How long the queue may grow, as the time that a datagram spends in it. What comes then is lost.
    pub longest: Duration,
}

/// Decides about a datagram before chance does: `true` loses it.
pub type Filter = Box<dyn FnMut(&Datagram) -> bool>;

/// A network of any number of hosts.
pub struct Network {
    faults: Faults,
    rng: Rng,
    filter: Option<Filter>,
    /// The common link, and when it is free again.
    bottleneck: Option<(Bottleneck, Instant)>,
    /// Ordered by time of arrival, then by order of sending.
    queue: BinaryHeap<Reverse<(Instant, u64, Datagram)>>,
    sent: u64,
}

impl Network {
    /// A network whose whole behaviour follows from `seed`.
    #[must_use]
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, rng: Rng::new(seed), filter: None, bottleneck: None, queue: BinaryHeap::new(), sent: 0 }
    }

    /// Lose what the filter picks, besides what chance picks.
    pub fn set_filter(&mut self, filter: Filter) {
        self.filter = Some(filter);
    }

    /// Lets one host's datagrams share a link from now on.
    pub fn set_bottleneck(&mut self, bottleneck: Bottleneck) {
        self.bottleneck = Some((bottleneck, Instant::ZERO));
    }

    /// Change what happens to datagrams from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Takes one datagram.
    pub fn send(&mut self, now: Instant, datagram: Datagram) {
        if self.filter.as_mut().is_some_and(|filter| filter(&datagram)) || self.happens(self.faults.loss) {
            return;
        }
        if self.happens(self.faults.duplication) {
            self.enqueue(now, datagram.clone());
        }
        self.enqueue(now, datagram);
    }

    fn enqueue(&mut self, now: Instant, datagram: Datagram) {
        let Some(now) = self.pass_bottleneck(now, &datagram) else { return };
        let mut delay = self.faults.delay + self.up_to(self.faults.jitter);
        if self.happens(self.faults.reordering) {
            // Late enough for a whole window to overtake it.
            delay += self.up_to(self.faults.delay * 4 + Duration::from_millis(1));
        }
        self.sent += 1;
        self.queue.push(Reverse((now + delay, self.sent, datagram)));
    }

    /// When a datagram has passed the common link; `None` if its queue is full.
    fn pass_bottleneck(&mut self, now: Instant, datagram: &Datagram) -> Option<Instant> {
        let Some((bottleneck, free)) = self.bottleneck.as_mut().filter(|(link, _)| link.host == datagram.from.ip())
        else {
            return Some(now);
        };
        let start = now.max(*free);
        if start - now > bottleneck.longest {
            return None;
        }
        *free = start + Duration::from_micros(datagram.bytes.len() as u64 * 1_000_000 / bottleneck.rate);
        Some(*free)
    }

    fn happens(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.rng.below(1000) < per_mille
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        let micros = u32::try_from(most.as_micros()).unwrap_or(u32::MAX);
        Duration::from_micros(u64::from(self.rng.below(micros.saturating_add(1))))
    }

    /// When the next datagram arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((at, _, _))| *at)
    }

    /// The next datagram that has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<Datagram> {
        if self.next_arrival()? > now {
            return None;
        }
        self.queue.pop().map(|Reverse((_, _, datagram))| datagram)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("faults", &self.faults)
            .field("bottleneck", &self.bottleneck)
            .field("under_way", &self.queue.len())
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

/// Loses the first `count` datagrams that `matches` picks.
#[must_use]
pub fn lose_first(mut count: usize, matches: impl Fn(&Datagram) -> bool + 'static) -> Filter {
    Box::new(move |datagram| {
        let lost = count > 0 && matches(datagram);
        count -= usize::from(lost);
        lost
    })
}
