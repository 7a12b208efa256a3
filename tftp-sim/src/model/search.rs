//! The search itself: breadth first, so that what it finds wrong is shown by a shortest story.

use std::fmt;

use tftp_proto::transfer::Ending;
use tftp_proto::wire::Direction;

use super::quick::QuickMap;
use super::scenario::{Faults, Order, Scenario};
use super::state::{Action, Datagram, Route, State, Who};
use super::transition::{Cost, World};
use crate::packet::describe;

/// What a search has covered.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// States of everything.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// States of one side.
    pub sides: usize,
    /// Steps of the longest path.
    pub longest: usize,
    /// DATA packets sent on the path with the most of them.
    pub most_data: i32,
    /// States in which everything has ended.
    pub ends: usize,
}

/// A rule was broken.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which.
    pub reason: String,
    /// A shortest story that leads there.
    pub story: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.reason)?;
        self.story.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// The graph of all states, in the order in which they were found.
#[derive(Default)]
struct Graph {
    states: Vec<State>,
    /// How each state was found.
    parents: Vec<Option<(u32, Action)>>,
    /// Where the ways of each state begin.
    starts: Vec<usize>,
    ways: Vec<(u32, Cost)>,
}

/// Visits every state that can be reached, and checks the rules in each of them and along every path.
///
/// # Errors
///
/// The first [`Violation`], or more than `limit` states.
pub fn explore(scenario: &Scenario, limit: usize) -> Result<Summary, Violation> {
    let mut world = World::new(scenario);
    let mut graph = Graph::default();
    let mut known = QuickMap::default();
    let start = world.start().map_err(|reason| Violation { reason, story: Vec::new() })?;
    known.insert(start, 0);
    graph.states.push(start);
    graph.parents.push(None);
    let mut ends = 0;
    let mut at = 0;
    while let Some(state) = graph.states.get(at).copied() {
        check_state(&world, &state).map_err(|reason| graph.violation(&world, at, None, reason))?;
        let ways = world.ways(&state).map_err(|(action, reason)| graph.violation(&world, at, action, reason))?;
        graph.starts.push(graph.ways.len());
        if ways.is_empty() {
            check_end(&world, &state).map_err(|reason| graph.violation(&world, at, None, reason))?;
            ends += 1;
        }
        for way in ways {
            let place = *known.entry(way.to).or_insert_with(|| {
                graph.states.push(way.to);
                graph.parents.push(Some((at as u32, way.action)));
                graph.states.len() as u32 - 1
            });
            graph.ways.push((place, way.cost));
        }
        if graph.states.len() > limit {
            return Err(graph.violation(&world, at, None, format!("more than {limit} states")));
        }
        at += 1;
    }
    graph.starts.push(graph.ways.len());
    drop(known);
    let order = graph.order().map_err(|stuck| {
        graph.violation(&world, stuck, None, "a path that never ends leads through this state".into())
    })?;
    let most = |weight: &dyn Fn(&Cost) -> i32| graph.most(&order, weight);
    let (longest, _) = most(&|_| 1);
    let (most_data, _) = most(&|cost| i32::from(cost.data));
    let (excess, worst) = most(&|cost| i32::from(cost.data) - allowance(scenario, cost));
    let bound = i32::try_from(data_bound(scenario)).unwrap_or(i32::MAX);
    if excess > bound {
        let reason = format!("{excess} DATA packets, not counting those that faults allow, where {bound} are enough");
        return Err(graph.violation(&world, worst, None, reason));
    }
    Ok(Summary {
        states: graph.states.len(),
        steps: graph.ways.len(),
        sides: world.automaton.sides(),
        longest: usize::try_from(longest).unwrap_or(0),
        most_data,
        ends,
    })
}

/// DATA packets that a step may bring on beyond one for each block.
///
/// In lock-step: one for each timer and each repeated request, and none for a lost, repeated or late ACK. With a window:
/// two for each fault.
fn allowance(scenario: &Scenario, cost: &Cost) -> i32 {
    let blocks = i32::try_from(scenario.blocks()).unwrap_or(i32::MAX);
    let window = i32::from(scenario.window());
    let rebirth = i32::from(cost.rebirths) * blocks;
    if window == 1 {
        return rebirth + i32::from(cost.repeats);
    }
    rebirth + 2 * window * i32::from(cost.faults)
}

/// DATA packets that suffice without a fault: one for each block. Where datagrams overtake each other, a window of more
/// than one may have a gap reported at every block. A window in trains may end with a block that asks for its ACK.
fn data_bound(scenario: &Scenario) -> usize {
    let blocks = scenario.blocks();
    let window = scenario.window();
    let gaps = if scenario.order == Order::Any && window > 1 { blocks * usize::from(window) } else { 0 };
    let asked = if scenario.pacing.enabled && window > scenario.pacing.first_train { blocks } else { 0 };
    blocks + gaps + asked
}

/// What must hold in every state.
fn check_state(world: &World<'_>, state: &State) -> Result<(), String> {
    let scenario = world.scenario;
    let client = world.automaton.side(state.client);
    for (number, id) in (0u8..).zip(state.servers) {
        let Some(server) = id.map(|id| world.automaton.side(id)) else { continue };
        let (source, sink) = match scenario.direction {
            Direction::Read => (server, client),
            Direction::Write => (client, server),
        };
        let is_pair = state.peer == Some(number);
        if server.ending == Some(Ending::Completed) && !is_pair {
            return Err("a server that completed without its client".into());
        }
        if is_pair && source.ending == Some(Ending::Completed) && !sink.committed {
            return Err("the sender counts as delivered what the receiver does not have".into());
        }
        if is_pair
            && source.ending == Some(Ending::DeliveredUnconfirmed)
            && sink.got < (scenario.blocks() - 1) * scenario.block_size()
        {
            return Err("delivered, it says, but more than the last block may be missing".into());
        }
    }
    let Faults { cancels, copies, early, losses } = scenario.faults;
    for (who, id) in state.everybody() {
        let side = world.automaton.side(id);
        let explained = match side.ending {
            Some(Ending::Failed | Ending::SizeProbe) => cancels > 0,
            Some(Ending::PeerError(_)) => cancels > 0 || who != Who::Client,
            Some(Ending::TimedOut | Ending::DeliveredUnconfirmed) => {
                cancels > 0 || losses > 0 || early > 0 || copies > 0
            }
            Some(_) | None => true,
        };
        if !explained {
            return Err(format!("nothing explains that {who:?} ended with {:?}", side.ending));
        }
    }
    Ok(())
}

/// What must hold where nothing can happen any more.
fn check_end(world: &World<'_>, state: &State) -> Result<(), String> {
    let scenario = world.scenario;
    for (who, id) in state.everybody() {
        if world.automaton.side(id).is_live() {
            return Err(format!("{who:?} waits for something that never comes"));
        }
    }
    if !scenario.must_complete() {
        return Ok(());
    }
    let client = world.automaton.side(state.client).ending;
    let server = state.peer.and_then(|number| state.side(Who::Server(number)));
    let server = server.and_then(|id| world.automaton.side(id).ending);
    if (client, server) == (Some(Ending::Completed), Some(Ending::Completed)) {
        return Ok(());
    }
    Err(format!("so few faults must not end a transfer: client {client:?}, server {server:?}"))
}

impl Graph {
    /// The states in an order in which every step leads forward. `Err`: a state on a circle, or behind one.
    fn order(&self) -> Result<Vec<u32>, usize> {
        let mut incoming = vec![0u32; self.states.len()];
        for (to, _) in &self.ways {
            incoming[*to as usize] += 1;
        }
        let mut order: Vec<u32> = Vec::with_capacity(self.states.len());
        order.push(0);
        let mut at = 0;
        while let Some(from) = order.get(at).copied() {
            for (to, _) in self.ways_of(from as usize) {
                incoming[*to as usize] -= 1;
                if incoming[*to as usize] == 0 {
                    order.push(*to);
                }
            }
            at += 1;
        }
        match incoming.iter().position(|count| *count > 0) {
            Some(stuck) => Err(stuck),
            None => Ok(order),
        }
    }

    /// The most that a weight can sum up to on a path from the start, and where that is reached.
    fn most(&self, order: &[u32], weight: &dyn Fn(&Cost) -> i32) -> (i32, usize) {
        let mut sums = vec![i32::MIN; self.states.len()];
        sums[0] = 0;
        let mut best = (0, 0);
        for from in order {
            let from = *from as usize;
            if sums[from] > best.0 {
                best = (sums[from], from);
            }
            for (to, cost) in self.ways_of(from) {
                let sum = sums[from] + weight(cost);
                let known = &mut sums[*to as usize];
                *known = sum.max(*known);
            }
        }
        best
    }

    fn ways_of(&self, state: usize) -> &[(u32, Cost)] {
        &self.ways[self.starts[state]..self.starts[state + 1]]
    }

    fn violation(&self, world: &World<'_>, state: usize, last: Option<Action>, reason: String) -> Violation {
        let mut story: Vec<String> = last.map(|action| tell(world, action)).into_iter().collect();
        let mut at = state;
        while let Some(Some((parent, action))) = self.parents.get(at) {
            story.push(tell(world, *action));
            at = *parent as usize;
        }
        story.push(format!("{:?}", world.scenario));
        story.reverse();
        Violation { reason, story }
    }
}

/// An action in words.
fn tell(world: &World<'_>, action: Action) -> String {
    let datagram = |datagram: Datagram| {
        let way = match datagram.route() {
            Route::Listener => "client > listener".into(),
            Route::ToServer(number) => format!("client > server {number}"),
            Route::ToClient(number) => format!("server {number} > client"),
        };
        format!("{way} {}", describe(world.automaton.content(datagram.content())))
    };
    match action {
        Action::Deliver(item) => format!("{} arrives", datagram(item)),
        Action::DeliverCopy(item) => format!("{} arrives, and will once more", datagram(item)),
        Action::Lose(item) => format!("{} is lost", datagram(item)),
        Action::Expire(who) => format!("{who:?}: timer"),
        Action::Answer(who) => format!("{who:?}: storage answers"),
        Action::Cancel(who) => format!("{who:?}: cancelled"),
    }
}
