//! What can happen in a state, and what follows from it.

use std::rc::Rc;

use tftp_proto::wire::{ErrorCode, Packet, Repr};

use super::automaton::{Automaton, SideId, Step};
use super::scenario::{Faults, Order, Scenario};
use super::side::Input;
use super::state::{Action, Datagram, Route, State, Who};

/// What happened on the way from one state to the next, for counting.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    /// DATA packets sent.
    pub(super) data: u8,
    /// Losses, copies and timers.
    pub(super) faults: u8,
    /// Timers, and copies of requests: all that may bring on more DATA in lock-step.
    pub(super) repeats: u8,
    /// A further transfer began at the server.
    pub(super) rebirths: u8,
}

/// One way on from a state.
pub(super) struct Way {
    pub(super) action: Action,
    pub(super) to: State,
    pub(super) cost: Cost,
}

/// The rules of the world: everything that is not a side.
pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) automaton: Automaton<'a>,
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        Self { scenario, automaton: Automaton::new(scenario) }
    }

    /// The client has sent its request.
    pub(super) fn start(&mut self) -> Result<State, String> {
        let step = self.automaton.birth(None)?;
        let mut state = State::new(step.next, self.scenario.faults);
        self.dispatch(&mut state, Who::Client, &step)?;
        Ok(state)
    }

    /// Everything that can happen next.
    pub(super) fn ways(&mut self, state: &State) -> Result<Vec<Way>, (Option<Action>, String)> {
        let mut ways = Vec::new();
        for action in self.actions(state).map_err(|reason| (None, reason))? {
            let (to, cost) = self.act(state, action).map_err(|reason| (Some(action), reason))?;
            ways.push(Way { action, to, cost });
        }
        Ok(ways)
    }

    fn actions(&mut self, state: &State) -> Result<Vec<Action>, String> {
        let mut actions = Vec::new();
        let mut seen: Vec<Datagram> = Vec::new();
        for datagram in state.flight.iter() {
            let is_behind = match self.scenario.order {
                Order::Any => seen.contains(&datagram),
                Order::Kept => seen.iter().any(|earlier| earlier.route() == datagram.route()),
            };
            seen.push(datagram);
            if is_behind {
                continue;
            }
            actions.push(Action::Deliver(datagram));
            if state.copies > 0 {
                actions.push(Action::DeliverCopy(datagram));
            }
            if state.losses > 0 {
                actions.push(Action::Lose(datagram));
            }
        }
        for (who, id) in state.everybody() {
            let side = self.automaton.side(id);
            if !side.is_live() {
                continue;
            }
            let (has_deadline, may_cancel) = (side.deadline.is_some(), state.cancels > 0 && !side.commit_due);
            if side.awaits_storage() {
                actions.push(Action::Answer(who));
            }
            if has_deadline && (state.early > 0 || !self.is_early(state, who)? || self.is_pause(id)?) {
                actions.push(Action::Expire(who));
            }
            if may_cancel {
                actions.push(Action::Cancel(who));
            }
        }
        Ok(actions)
    }

    /// Whether the deadline of a side is the end of a pause: that comes whatever the network does.
    fn is_pause(&mut self, id: SideId) -> Result<bool, String> {
        Ok(self.automaton.step(id, Input::Expire)?.paused)
    }

    /// Whether a timer that ran out now would be ahead of something: see [`Faults::early`].
    fn is_early(&mut self, state: &State, who: Who) -> Result<bool, String> {
        let mut is_quiet = state.flight.is_empty();
        let mut others_wait = false;
        let mut is_dallying = false;
        for (other, id) in state.everybody() {
            let side = self.automaton.side(id);
            is_quiet &= !side.awaits_storage();
            if other == who {
                is_dallying = side.is_dallying();
            } else if side.is_live() {
                others_wait |= !side.is_dallying();
                is_quiet &= side.deadline.is_none() || !self.is_pause(id)?;
            }
        }
        Ok(!is_quiet || (others_wait && (is_dallying || state.idle == Some(who))))
    }

    fn act(&mut self, state: &State, action: Action) -> Result<(State, Cost), String> {
        let mut next = *state;
        let mut cost = Cost::default();
        match action {
            Action::Deliver(datagram) => {
                take(&mut next, datagram);
                self.deliver(&mut next, datagram, &mut cost)?;
            }
            Action::DeliverCopy(datagram) => {
                next.copies -= 1;
                cost.faults += 1;
                cost.repeats += u8::from(datagram.route() == Route::Listener);
                self.deliver(&mut next, datagram, &mut cost)?;
            }
            Action::Lose(datagram) => {
                if next.losses != Faults::UNLIMITED {
                    next.losses -= 1;
                }
                cost.faults += 1;
                take(&mut next, datagram);
            }
            Action::Expire(who) => {
                let id = state.side(who).ok_or("nobody there")?;
                let step = self.automaton.step(id, Input::Expire)?;
                if !step.paused {
                    next.early -= u8::from(self.is_early(state, who)?);
                    next.idle = Some(who);
                    cost.faults += 1;
                    cost.repeats += 1;
                }
                self.follow(&mut next, who, &step, &mut cost)?;
            }
            Action::Answer(who) => {
                let step = self.automaton.step(state.side(who).ok_or("nobody there")?, Input::Answer)?;
                self.follow(&mut next, who, &step, &mut cost)?;
            }
            Action::Cancel(who) => {
                next.cancels -= 1;
                let step = self.automaton.step(state.side(who).ok_or("nobody there")?, Input::Cancel)?;
                self.follow(&mut next, who, &step, &mut cost)?;
            }
        }
        match self.scenario.order {
            Order::Any => next.flight.forget_order(),
            Order::Kept => next.flight.forget_order_across_routes(),
        }
        Ok((next, cost))
    }

    fn deliver(&mut self, state: &mut State, datagram: Datagram, cost: &mut Cost) -> Result<(), String> {
        match datagram.route() {
            Route::Listener => self.deliver_request(state, datagram, cost),
            Route::ToServer(number) => self.deliver_to(state, Who::Server(number), datagram, cost),
            Route::ToClient(number) => self.deliver_to_client(state, number, datagram, cost),
        }
    }

    /// What an endpoint does with a request: it starts a transfer, unless one is there already. Its first answer is
    /// repeated as long as it is not acknowledged.
    fn deliver_request(&mut self, state: &mut State, datagram: Datagram, cost: &mut Cost) -> Result<(), String> {
        let content = datagram.content();
        if self.scenario.refuses_options
            && let Ok(Packet::Request(request)) = Packet::parse(self.automaton.content(content))
            && !request.options.parse().options.is_empty()
        {
            // From a port of its own, as every answer to a request.
            let number = state.servers.len() as u8 - 1;
            return self.send_error(state, Route::ToClient(number), ErrorCode::OptionNegotiation);
        }
        let born = (0u8..).zip(state.servers).filter_map(|(number, side)| Some((number, side?))).last();
        let number = match born {
            Some((number, id)) if self.automaton.side(id).is_live() => {
                let step = self.automaton.step(id, Input::Repeat)?;
                return self.follow(state, Who::Server(number), &step, cost);
            }
            Some((number, _)) => number + 1,
            None => 0,
        };
        if usize::from(number) >= state.servers.len() {
            return Ok(());
        }
        cost.rebirths += u8::from(number > 0);
        let step = self.automaton.birth(Some(content))?;
        self.follow(state, Who::Server(number), &step, cost)
    }

    fn deliver_to(&mut self, state: &mut State, who: Who, datagram: Datagram, cost: &mut Cost) -> Result<(), String> {
        let Some(id) = state.side(who) else { return Ok(()) };
        let step = self.automaton.step(id, Input::Packet(datagram.content()))?;
        if step.moved {
            state.idle = None;
        }
        self.follow(state, who, &step, cost)
    }

    /// The first answer fixes the peer; every other one is told that it is not known (RFC 1350 §4).
    fn deliver_to_client(
        &mut self,
        state: &mut State,
        number: u8,
        datagram: Datagram,
        cost: &mut Cost,
    ) -> Result<(), String> {
        let was_asking = self.automaton.side(state.client).transfer.is_asking();
        if was_asking || state.peer == Some(number) {
            state.peer = Some(number);
            self.deliver_to(state, Who::Client, datagram, cost)?;
            if self.automaton.side(state.client).transfer.is_asking() {
                state.peer = None;
            }
            return Ok(());
        }
        let is_error = matches!(Packet::parse(self.automaton.content(datagram.content())), Ok(Packet::Error { .. }));
        if is_error || !self.automaton.side(state.client).is_live() {
            return Ok(());
        }
        self.send_error(state, Route::ToServer(number), ErrorCode::UnknownTransferId)
    }

    fn send_error(&mut self, state: &mut State, route: Route, code: ErrorCode) -> Result<(), String> {
        let mut out = [0; 64];
        let len = Repr::Error { code, message: "" }.emit(&mut out).map_err(|error| error.to_string())?;
        let content = self.automaton.intern(&out[..len])?;
        state.flight.push(Datagram::new(route, content))
    }

    /// A side has taken a step.
    fn follow(&mut self, state: &mut State, who: Who, step: &Rc<Step>, cost: &mut Cost) -> Result<(), String> {
        cost.data += step.data;
        state.set(who, step.next);
        self.dispatch(state, who, step)
    }

    fn dispatch(&self, state: &mut State, who: Who, step: &Step) -> Result<(), String> {
        for content in &step.sent {
            let is_request = matches!(self.automaton.content(*content), [0, 1 | 2, ..]);
            let route = match (who, is_request) {
                (Who::Server(number), false) => Route::ToClient(number),
                (Who::Client, true) => Route::Listener,
                (Who::Client, false) => match state.peer {
                    Some(number) => Route::ToServer(number),
                    None => return Err("it talks to a peer it does not know".into()),
                },
                (Who::Server(_), true) => return Err("a server that sends requests".into()),
            };
            state.flight.push(Datagram::new(route, *content))?;
        }
        Ok(())
    }
}

fn take(state: &mut State, datagram: Datagram) {
    let place = state.flight.iter().position(|other| other == datagram);
    if let Some(place) = place {
        state.flight.remove(place);
    }
}
