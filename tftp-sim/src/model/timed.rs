//! One clock for all: a network that takes a constant time, except for the faults of a plan.
//!
//! The search lets time stand still between timers, so it cannot see what the measured round trip is for. Here every
//! single fault of a long transfer, and every pair of them, is tried at every datagram.

use std::collections::BTreeMap;
use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::transfer::Ending;
use tftp_proto::wire::Packet;

use super::scenario::Scenario;
use super::search::Violation;
use super::side::{Input, Reaction, Side};
use crate::packet::describe;

/// How long a datagram takes.
pub const LATENCY: Duration = Duration::from_millis(10);

/// What happens to one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is lost.
    Lose,
    /// It comes once more, so much later.
    Copy(Duration),
    /// It comes so much later.
    Delay(Duration),
}

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Datagrams sent.
    pub datagrams: usize,
    /// DATA packets among them.
    pub data: usize,
    /// Timers that ran out: not pauses, not dallying.
    pub timers: usize,
    /// How the client ended.
    pub client: Option<Ending>,
    /// How the server ended.
    pub server: Option<Ending>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Client,
    Server,
}

struct Clockwork<'a> {
    scenario: &'a Scenario,
    plan: &'a [(usize, Fault)],
    now: Instant,
    client: Side,
    server: Option<Side>,
    /// By arrival, then by order of sending.
    flight: BTreeMap<(Instant, usize), (Who, Vec<u8>)>,
    run: Run,
    story: Vec<String>,
}

/// Runs one transfer in which the datagrams of `plan`, by their place in the order of sending, meet a fault.
///
/// # Errors
///
/// A rule that was broken, or a run that does not end.
pub fn run(scenario: &Scenario, plan: &[(usize, Fault)]) -> Result<Run, Violation> {
    let failed = |reason| Violation { reason, story: vec![format!("{scenario:?}"), format!("{plan:?}")] };
    let (client, reaction) = Side::client(scenario).map_err(failed)?;
    let mut clockwork = Clockwork {
        scenario,
        plan,
        now: client.now,
        client,
        server: None,
        flight: BTreeMap::new(),
        run: Run { datagrams: 0, data: 0, timers: 0, client: None, server: None },
        story: vec![format!("{scenario:?}"), format!("{plan:?}")],
    };
    clockwork.send(Who::Client, reaction);
    for _ in 0..20_000 {
        match clockwork.step() {
            Ok(true) => {}
            Ok(false) => {
                let timeouts = |side: &Side| usize::try_from(side.transfer.stats().timeouts).unwrap_or(usize::MAX);
                clockwork.run.timers = timeouts(&clockwork.client) + clockwork.server.as_ref().map_or(0, timeouts);
                clockwork.run.client = clockwork.client.ending;
                clockwork.run.server = clockwork.server.and_then(|server| server.ending);
                return Ok(clockwork.run);
            }
            Err(reason) => return Err(Violation { reason, story: clockwork.story }),
        }
    }
    Err(Violation { reason: "it never ends".into(), story: clockwork.story })
}

impl Clockwork<'_> {
    /// Does what comes next. `false`: everything has ended.
    fn step(&mut self) -> Result<bool, String> {
        let deadline = |side: &Side| if side.is_live() { side.deadline } else { None };
        let client = deadline(&self.client).map(|at| (at, Who::Client));
        let server = self.server.as_ref().and_then(deadline).map(|at| (at, Who::Server));
        let timer = [client, server].into_iter().flatten().min_by_key(|(at, _)| *at);
        match (self.flight.first_key_value().map(|(key, _)| *key), timer) {
            (Some(key), timer) if timer.is_none_or(|(at, _)| key.0 <= at) => {
                let Some((to, bytes)) = self.flight.remove(&key) else { return Ok(true) };
                self.now = key.0;
                self.story.push(format!("{:?} {}", self.now, describe(&bytes)));
                self.deliver(to, &bytes)?;
            }
            (_, Some((at, who))) => {
                self.now = at;
                self.story.push(format!("{:?} a timer", self.now));
                self.perform(who, Input::Expire, &[])?;
            }
            (_, None) => return Ok(false),
        }
        Ok(true)
    }

    fn deliver(&mut self, to: Who, bytes: &[u8]) -> Result<(), String> {
        if to == Who::Client || !matches!(Packet::parse(bytes), Ok(Packet::Request(_))) {
            return self.perform(to, Input::Packet(0), bytes);
        }
        if self.server.is_some() {
            return self.perform(Who::Server, Input::Repeat, &[]);
        }
        let (server, reaction) = Side::server(self.scenario, bytes, self.now)?;
        self.server = Some(server);
        self.send(Who::Server, reaction);
        Ok(())
    }

    fn perform(&mut self, who: Who, input: Input, bytes: &[u8]) -> Result<(), String> {
        let place = if who == Who::Client { Some(&mut self.client) } else { self.server.as_mut() };
        let Some(side) = place.filter(|side| side.is_live()) else { return Ok(()) };
        side.now = self.now;
        let (after, reaction) = side.perform(self.scenario, input, bytes)?;
        *side = after;
        self.send(who, reaction);
        Ok(())
    }

    fn send(&mut self, from: Who, reaction: Reaction) {
        let to = if from == Who::Client { Who::Server } else { Who::Client };
        for bytes in reaction.sent {
            let number = self.run.datagrams;
            self.run.datagrams += 1;
            self.run.data += usize::from(matches!(Packet::parse(&bytes), Ok(Packet::Data { .. })));
            let arrival = self.now + LATENCY;
            match self.plan.iter().find(|(place, _)| *place == number).map(|(_, fault)| *fault) {
                None => {
                    self.flight.insert((arrival, 2 * number), (to, bytes));
                }
                Some(Fault::Lose) => {}
                Some(Fault::Copy(after)) => {
                    self.flight.insert((arrival + after, 2 * number + 1), (to, bytes.clone()));
                    self.flight.insert((arrival, 2 * number), (to, bytes));
                }
                Some(Fault::Delay(by)) => {
                    self.flight.insert((arrival + by, 2 * number), (to, bytes));
                }
            }
        }
    }
}
