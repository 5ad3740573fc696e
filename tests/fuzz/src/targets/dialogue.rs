// SPDX-License-Identifier: GPL-2.0

//! A conversation of the peer of `tests/peer`, as client, with a server of ours: both sides' messages
//! arrive, whatever the numbers and the order. Input: [`params`] of the server, credits, sizes and
//! receives of the client; then operations of one byte with a length (u16).
//!
//! Nothing is lost here and nobody is slow, so the peer never has to wait: a credit or a message that
//! is not there when it asks will not come.

use crate::input::Input;
use smbd_peer_layer::smbd::wire::RESPONSE_REQUESTED;
use smbd_peer_layer::smbd::{Link, Offer};
use smbd_peer_layer::stop::Stop;
use smbd_peer_layer::transcript::Transcript;
use smbd_peer_layer::verbs::{connect_to, Other, Port};
use smbdirect_core::{server_negotiate, server_response, LocalParams, Millis, ServerOutcome};
use smbdirect_host_tests::endpoint::Endpoint;
use smbdirect_host_tests::DEFAULTS;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Number of kinds of operations.
const OPERATIONS: u8 = 5;
/// Longest message, and most bytes over all.
const LONGEST: usize = 3000;
const MOST_BYTES: usize = 20_000;
const NOW: Millis = Millis(1000);

/// Our side: what has arrived is read at once.
struct Server {
    local: LocalParams,
    end: Option<Endpoint>,
    wire: VecDeque<Vec<u8>>,
}

impl Server {
    fn begin(&mut self, request: &[u8]) {
        let neg = match server_negotiate(&self.local, request) {
            Ok(ServerOutcome::Accept(neg)) => neg,
            other => panic!("the peer was refused: {other:?}"),
        };
        let mut end = Endpoint::new("server", neg, NOW);
        end.refill();
        let granted = end.link.grant_in_response();
        self.wire.push_back(server_response(&neg, granted).to_vec());
        self.end = Some(end);
    }

    fn take(&mut self, message: &[u8]) {
        let Some(end) = &mut self.end else {
            return self.begin(message);
        };
        if let Err(e) = end.deliver(NOW, message) {
            panic!("the peer broke a rule: {e}");
        }
        end.read_all();
        end.refill();
    }

    /// Everything that may go out.
    fn send(&mut self) {
        if let Some(end) = &mut self.end {
            self.wire.extend(end.send_all(NOW));
            end.refill();
            end.check();
        }
    }

    fn give(&mut self) -> Option<Vec<u8>> {
        self.send();
        self.wire.pop_front()
    }
}

#[derive(Clone)]
struct Shared(Rc<RefCell<Server>>);

impl Other for Shared {
    fn take(&mut self, message: &[u8]) -> bool {
        self.0.borrow_mut().take(message);
        true
    }
    fn give(&mut self) -> Option<Vec<u8>> {
        self.0.borrow_mut().give()
    }
}

fn params(input: &mut Input<'_>) -> LocalParams {
    LocalParams {
        recv_credit_max: input.within(1, 40) as u16,
        send_credit_target: input.within(1, 40) as u16,
        max_send_size: input.within(128, 1500),
        max_recv_size: input.within(128, 1500),
        ..DEFAULTS
    }
}

fn must<T>(what: &str, result: Result<T, Stop>, link: &Link) -> T {
    match result {
        Ok(value) => value,
        Err(e) => panic!("{what}: {e}\n{}", link.log.lines().join("\n")),
    }
}

/// Runs it.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let server = Shared(Rc::new(RefCell::new(Server {
        local: params(&mut input),
        end: None,
        wire: VecDeque::new(),
    })));
    let credits = input.within(1, 40) as u16;
    let mut offer = Offer::new(
        credits,
        input.within(128, 1500),
        input.within(128, 1500),
        131_072,
    );
    offer = offer.receives(input.within(1, 40));
    connect_to(Box::new(server.clone()));
    let nowhere = ([0, 0, 0, 0], 0).into();
    let link = Link::connect(&Transcript::new(), nowhere, Port::ByDevice, offer);
    let Ok(mut link) = link else {
        panic!("no connection");
    };
    let response = link.negotiate();
    let response = must("negotiation", response, &link);
    must(
        "the numbers of the response",
        link.judge_negotiation(&response),
        &link,
    );
    talk(&mut input, &server, &mut link);
}

fn talk(input: &mut Input<'_>, server: &Shared, link: &mut Link) {
    let (mut to_server, mut to_client) = (Vec::new(), VecDeque::new());
    let mut bytes = 0;
    let mut number = 0u8;
    while !input.is_empty() && bytes < MOST_BYTES {
        let (op, len) = (input.u8(), usize::from(input.u16()) % LONGEST + 1);
        bytes += len;
        number = number.wrapping_add(1);
        let message: Vec<u8> = (0..len).map(|i| (i % 251) as u8 ^ number).collect();
        match op % OPERATIONS {
            0 => {
                must("sending", link.send_message(&message), link);
                to_server.push(message);
            }
            // answered later, or at the end
            1 => queue(server, &mut to_client, message),
            2 => receive(link, &mut to_client),
            3 => {
                queue(server, &mut to_client, message);
                receive(link, &mut to_client);
            }
            _ => ask(server, link),
        }
    }
    while !to_client.is_empty() {
        receive(link, &mut to_client);
    }
    let server = server.0.borrow();
    let delivered = server.end.as_ref().map(|end| &end.delivered);
    assert!(
        delivered == Some(&to_server),
        "messages to the server differ"
    );
}

fn queue(server: &Shared, to_client: &mut VecDeque<Vec<u8>>, message: Vec<u8>) {
    if let Some(end) = &mut server.0.borrow_mut().end {
        end.queue_message(message.chunks(700).map(<[u8]>::to_vec).collect());
    }
    to_client.push_back(message);
}

fn receive(link: &mut Link, to_client: &mut VecDeque<Vec<u8>>) {
    let Some(want) = to_client.pop_front() else {
        return;
    };
    let got = link.receive_message("a message of the server");
    let (got, keys) = must("receiving", got, link);
    assert!(
        got == want && keys.is_empty(),
        "a message to the client differs"
    );
}

/// A question between messages is answered at once if there is a credit for that (3.1.5.8).
fn ask(server: &Shared, link: &mut Link) {
    if link.credits == 0 {
        return;
    }
    // what is due anyway goes out before
    server.0.borrow_mut().send();
    must("posting", link.fill_receives(), link);
    let granted = link.grant();
    let asked = link.offer.request.credits_requested;
    must(
        "asking",
        link.send_empty(asked, granted, RESPONSE_REQUESTED),
        link,
    );
    let mut server = server.0.borrow_mut();
    let can = server
        .end
        .as_ref()
        .is_some_and(|end| end.link.send_credits() > 0);
    let before = server.wire.len();
    server.send();
    assert!(
        !can || server.wire.len() > before,
        "an answer is due and does not come"
    );
}
