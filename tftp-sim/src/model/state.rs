//! One state of everything: the sides, what is under way between them, and what may still go wrong.

use super::automaton::{Content, SideId};

/// So many transfers may run at the server one after the other, for one client.
pub(super) const SERVERS: usize = 2;

/// So many datagrams may be under way.
const ROOM: usize = 24;

/// Where a datagram goes, and between whom it stays in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Route {
    /// From the client to the server's well-known port.
    Listener,
    /// From the client to a transfer of the server.
    ToServer(u8),
    /// From a transfer of the server to the client.
    ToClient(u8),
}

/// A datagram under way: a route and a content in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Datagram(u8);

impl Datagram {
    pub(super) fn new(route: Route, content: Content) -> Self {
        let route = match route {
            Route::Listener => 0,
            Route::ToServer(number) => 1 + 2 * number,
            Route::ToClient(number) => 2 + 2 * number,
        };
        Self(route << 5 | content)
    }

    pub(super) fn route(self) -> Route {
        match self.0 >> 5 {
            0 => Route::Listener,
            odd if odd % 2 == 1 => Route::ToServer(odd / 2),
            even => Route::ToClient(even / 2 - 1),
        }
    }

    pub(super) fn content(self) -> Content {
        self.0 & 31
    }
}

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    len: u8,
    /// Plain bytes, for they are hashed in one go.
    items: [u8; ROOM],
}

impl Flight {
    const EMPTY: Self = Self { len: 0, items: [0; ROOM] };

    pub(super) fn iter(&self) -> impl Iterator<Item = Datagram> + '_ {
        self.items[..usize::from(self.len)].iter().copied().map(Datagram)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn push(&mut self, datagram: Datagram) -> Result<(), String> {
        let slot = self.items.get_mut(usize::from(self.len)).ok_or("too many datagrams under way")?;
        *slot = datagram.0;
        self.len += 1;
        Ok(())
    }

    pub(super) fn remove(&mut self, place: usize) {
        let len = usize::from(self.len);
        self.items.copy_within(place + 1..len, place);
        self.items[len - 1] = 0;
        self.len -= 1;
    }

    /// Where the order means nothing, one order stands for all.
    pub(super) fn forget_order(&mut self) {
        self.items[..usize::from(self.len)].sort_unstable();
    }

    /// Between different pairs there is no order in any case.
    pub(super) fn forget_order_across_routes(&mut self) {
        self.items[..usize::from(self.len)].sort_by_key(|byte| byte >> 5);
    }
}

/// Who.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Client,
    Server(u8),
}

/// A state of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) client: SideId,
    pub(super) servers: [Option<SideId>; SERVERS],
    /// The server transfer that the client talks to.
    pub(super) peer: Option<u8>,
    /// Whose timer has just run out in vain.
    pub(super) idle: Option<Who>,
    pub(super) losses: u8,
    pub(super) copies: u8,
    pub(super) early: u8,
    pub(super) cancels: u8,
    pub(super) flight: Flight,
}

impl State {
    pub(super) fn new(client: SideId, faults: super::Faults) -> Self {
        let super::Faults { losses, copies, early, cancels } = faults;
        Self {
            client,
            servers: [None; SERVERS],
            peer: None,
            idle: None,
            losses,
            copies,
            early,
            cancels,
            flight: Flight::EMPTY,
        }
    }

    pub(super) fn side(&self, who: Who) -> Option<SideId> {
        match who {
            Who::Client => Some(self.client),
            Who::Server(number) => self.servers[usize::from(number)],
        }
    }

    pub(super) fn set(&mut self, who: Who, side: SideId) {
        match who {
            Who::Client => self.client = side,
            Who::Server(number) => self.servers[usize::from(number)] = Some(side),
        }
    }

    /// Everybody there is.
    pub(super) fn everybody(&self) -> impl Iterator<Item = (Who, SideId)> {
        let Self { client, servers, .. } = *self;
        let servers = servers.into_iter().zip(0u8..).filter_map(|(side, number)| Some((Who::Server(number), side?)));
        std::iter::once((Who::Client, client)).chain(servers)
    }
}

/// Something that can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Deliver(Datagram),
    /// It arrives, and will arrive once more.
    DeliverCopy(Datagram),
    Lose(Datagram),
    Expire(Who),
    Answer(Who),
    Cancel(Who),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_keeps_its_route_and_content() {
        for route in [Route::Listener, Route::ToServer(0), Route::ToServer(1), Route::ToClient(0), Route::ToClient(1)] {
            for content in 0..32 {
                let datagram = Datagram::new(route, content);
                assert_eq!((datagram.route(), datagram.content()), (route, content));
            }
        }
    }
}
