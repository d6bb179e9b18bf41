//! What loss does: never a wrong value.
#![allow(clippy::print_stdout, reason = "numbers of a statistic, with --nocapture")]

use super::*;
use crate::classification::Loss;
use crate::nat::UdpPolicy;

/// Two hundred; ten times as many with `NATLAB_ALL_SEEDS`.
fn seeds() -> u64 {
    if std::env::var_os("NATLAB_ALL_SEEDS").is_some() { 2000 } else { 200 }
}

/// 20 % each way, 200 classifications over the nine behaviours: no wrong value, at most 5 % inconclusive.
#[tokio::test(start_paused = true)]
async fn at_20_percent_each_way_nothing_is_wrong_and_little_is_open() {
    let behaviors: Vec<(Mapping, Filtering)> =
        Mapping::ALL.into_iter().flat_map(|m| Filtering::ALL.map(|f| (m, f))).collect();
    let (mut open, mut longest, mut all) = (Vec::new(), std::time::Duration::ZERO, Loss::default());
    for seed in 0..seeds() {
        let (mapping, filtering) = behaviors[seed as usize % behaviors.len()];
        let world = World::new(napt(mapping, filtering), vec![behavior_server(proper)]).losing(0.2, seed + 1);
        let begin = tokio::time::Instant::now();
        let f = ask(&world, &[PRIMARY], Options { fragments: false, ..options() }).await.family;
        longest = longest.max(begin.elapsed());
        assert!(f.mapping.value.is_none_or(|m| m == mapping.into()), "seed {seed} {mapping}/{filtering}: {f:#?}");
        assert!(f.filtering.value.is_none_or(|x| x == filtering), "seed {seed} {mapping}/{filtering}: {f:#?}");
        if f.mapping.value.is_none() || f.filtering.value.is_none() {
            open.push((seed, f.mapping.because, f.filtering.because));
        }
        all = all.plus(f.loss);
    }
    // 36 % of the round trips, which is what 20 % each way make; within three standard deviations of the sample.
    let (rate, deviation) = (all.rate().unwrap(), (0.36 * 0.64 / f64::from(all.sent)).sqrt());
    assert!((rate - 0.36).abs() < 3.0 * deviation, "measured {rate} of {} round trips", all.sent);
    println!("round trips lost: {rate:.3} of {}", all.sent);
    println!("inconclusive: {} of {}, longest {longest:?}", open.len(), seeds());
    assert!(open.len() as u64 * 20 <= seeds(), "{open:#?}");
    assert!(longest < std::time::Duration::from_secs(90), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn at_60_percent_each_way_nothing_is_wrong() {
    for seed in 0..seeds() / 2 {
        let (mapping, filtering) = (Mapping::ALL[seed as usize % 3], Filtering::ALL[(seed / 3) as usize % 3]);
        let world = World::new(napt(mapping, filtering), vec![behavior_server(proper)]).losing(0.6, seed + 1);
        let options = Options { hairpin: true, ..options() };
        let f = ask(&world, &[PRIMARY], options).await.family;
        assert!(f.mapping.value.is_none_or(|m| m.candidates().contains(&mapping)), "seed {seed}: {f:#?}");
        assert!(f.filtering.value.is_none_or(|x| x == filtering), "seed {seed} {mapping}/{filtering}: {f:#?}");
        assert_ne!(f.udp.value, Some(UdpPolicy::Blocked), "seed {seed}");
        assert_ne!(f.fragments.outbound.value, Some(false), "seed {seed}: {:#?}", f.fragments);
        assert_ne!(f.fragments.inbound.value, Some(false), "seed {seed}: {:#?}", f.fragments);
    }
}

/// The rest of the axes at 20 % each way: none is wrong.
#[tokio::test(start_paused = true)]
async fn no_other_axis_is_wrong_at_20_percent() {
    use crate::classification::Preservation;
    use crate::nat::{Hairpinning as H, Pooling, Refresh};
    const LIFETIME: u64 = 33_000;
    let mut known = 0;
    for seed in 0..seeds() / 5 {
        let hairpinning = [H::None, H::ExternalSource, H::InternalSource][seed as usize % 3];
        let refresh = [Refresh::Both, Refresh::Outbound][seed as usize % 2];
        let filtering = Filtering::ALL[(seed / 3) as usize % 3];
        let behavior =
            Behavior { hairpinning, refresh, lifetime_ms: LIFETIME, ..napt(Mapping::EndpointIndependent, filtering) };
        let world = World::new(behavior, vec![behavior_server(proper)]).losing(0.2, seed + 1);
        let everything = Options { hairpin: true, lifetime: Some(Ladder::default()), ..options() };
        let f = ask(&world, &[PRIMARY], everything).await.family;
        assert!(f.hairpinning.value.is_none_or(|h| h == hairpinning), "seed {seed}: {:#?}", f.hairpinning);
        if let Some(lifetime) = f.lifetime.value {
            assert!(lifetime.last_alive_ms.is_none_or(|ms| ms <= LIFETIME), "seed {seed}: {lifetime:?}");
            assert!(lifetime.first_dead_ms.is_none_or(|ms| ms >= LIFETIME), "seed {seed}: {lifetime:?}");
        }
        let inbound = refresh == Refresh::Both;
        assert!(f.inbound_refresh.value.is_none_or(|r| r == inbound), "seed {seed}: {:#?}", f.inbound_refresh);
        assert_ne!(f.fragments.outbound.value, Some(false), "seed {seed}");
        assert_ne!(f.fragments.inbound.value, Some(false), "seed {seed}");
        assert_ne!(f.alg.value, Some(true), "seed {seed}");
        assert_eq!(f.pooling.value, Some(Pooling::Paired), "seed {seed}");
        assert_eq!(f.ports.preservation.value, Some(Preservation::None), "seed {seed}");
        known += u64::from(f.hairpinning.value.is_some() && f.inbound_refresh.value.is_some());
    }
    println!("hairpinning and refresh known in {known} of {}", seeds() / 5);
    assert!(known * 10 > seeds() / 5 * 8, "{known} of {}", seeds() / 5);
}

#[tokio::test(start_paused = true)]
async fn total_loss_is_blocked_udp_only_with_two_servers() {
    let other = "203.0.113.9:3478";
    let nothing = || {
        let behavior = Behavior { udp: UdpPolicy::Blocked, ..napt(Mapping::ALL[0], Filtering::ALL[0]) };
        World::new(behavior, vec![behavior_server(proper), ordinary(other)])
    };
    let two = ask(&nothing(), &[PRIMARY, other], options()).await;
    assert_eq!(two.family.udp.value, Some(UdpPolicy::Blocked), "{:#?}", two.family.udp);
    assert_eq!(two.family.classic.as_deref(), Some("UDP blocked"));
    assert_eq!((two.family.mapping.value, two.family.filtering.value), (None, None));
    assert_eq!(two.servers[0].problems, ["it does not answer"]);
    let one = ask(&nothing(), &[PRIMARY], options()).await.family;
    assert_eq!(one.udp.value, None);
    assert!(one.udp.because.unwrap().contains("ask a second one"));
}

#[tokio::test(start_paused = true)]
async fn a_route_that_goes_away_has_an_answer_at_every_moment() {
    for filtering in Filtering::ALL {
        for after in 0..50 {
            let behavior = napt(Mapping::EndpointIndependent, filtering);
            let world = World::new(behavior, vec![behavior_server(proper)]).losing_its_route_after(after);
            let f = ask(&world, &[PRIMARY], options()).await.family;
            assert!(f.filtering.value.is_none_or(|x| x == filtering), "after {after}: {f:#?}");
            assert!(f.mapping.value.is_none_or(|m| m == Mapping::EndpointIndependent.into()), "after {after}: {f:#?}");
            assert_ne!(f.udp.value, Some(UdpPolicy::Blocked), "after {after}");
            assert!(f.mapping.value.is_some() || f.mapping.because.is_some(), "after {after}");
            assert!(f.filtering.value.is_some() || f.filtering.because.is_some(), "after {after}");
        }
    }
}
