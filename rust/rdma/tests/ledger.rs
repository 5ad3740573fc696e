// SPDX-License-Identifier: GPL-2.0

//! The ledger of the send queue: what fits, what must be signalled, and sequence numbers that wrap.

use super::Ledger;
use kernel::prelude::*;
use smbdirect_kext::ensure;

fn ledger(depth: u32, start: u32) -> Ledger {
    Ledger {
        depth,
        posted: start,
        finished: start,
        signalled: start,
        slot_wanted: false,
    }
}

#[kunit_tests(smbdirect_ledger)]
mod cases {
    use super::*;

    #[test]
    fn the_queue_is_never_overfilled() -> Result {
        for start in [0, 5, u32::MAX - 3, u32::MAX] {
            let mut sq = ledger(8, start);
            ensure!(sq.fits(8) && !sq.fits(9) && !sq.fits(u32::MAX));
            ensure!(sq.take(5, true) == start.wrapping_add(5));
            ensure!(sq.in_flight() == 5 && sq.fits(3) && !sq.fits(4));
            ensure!(sq.take(3, true) == start.wrapping_add(8));
            ensure!(sq.fits(0) && !sq.fits(1));
            sq.finish(start.wrapping_add(5));
            ensure!(sq.in_flight() == 3 && sq.fits(5) && !sq.fits(6));
            sq.finish(start.wrapping_add(8));
            ensure!(sq.in_flight() == 0 && sq.fits(8));
        }
        Ok(())
    }

    #[test]
    fn what_finished_does_not_go_back() -> Result {
        for start in [0, u32::MAX - 1] {
            let mut sq = ledger(16, start);
            sq.take(10, true);
            sq.finish(start.wrapping_add(7));
            sq.finish(start.wrapping_add(3));
            sq.finish(start.wrapping_add(7));
            ensure!(sq.finished == start.wrapping_add(7));
            ensure!(sq.in_flight() == 3);
        }
        Ok(())
    }

    #[test]
    fn a_full_queue_always_has_a_signal_under_way() -> Result {
        for depth in [1, 2, 3, 4, 10, 251] {
            for chain in [1, 2, 16] {
                for every in [1, 3, 32, u32::MAX] {
                    let mut sq = ledger(depth, u32::MAX - 20);
                    while sq.fits(chain) {
                        let signal = sq.must_signal(chain, every);
                        sq.take(chain, signal);
                    }
                    // When no more fits, a completion comes that makes room.
                    ensure!(chain > depth || sq.signalled != sq.finished);
                    sq.finish(sq.signalled);
                    ensure!(chain > depth || sq.fits(chain) || chain > depth / 2);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn refused_entries_give_back_number_and_signal() -> Result {
        let mut sq = ledger(16, 100);
        sq.take(2, true);
        let before = sq.signalled;
        let last = sq.take(6, true);
        ensure!(last == 108 && sq.signalled == 108);
        // The driver took two of six.
        sq.untake(4, before);
        ensure!(sq.posted == 104 && sq.signalled == 102);
        ensure!(sq.in_flight() == 4);
        // The next one gets the number that came back, and has to be signalled if the two are too many.
        ensure!(sq.must_signal(2, 4) && !sq.must_signal(1, 4));
        ensure!(sq.take(1, false) == 105);
        Ok(())
    }
}
