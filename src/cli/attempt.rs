//! temporary
use super::exit::Exit; use crate::run::{outer::*, wire::*}; use crate::lab::isolate::Terminal;
/// x
pub fn run(n:&[String])->Exit{
    let trials = match super::load::trials(n,&[]) { Ok(t)=>t, Err(e)=>return e };
    let mut outer = match Outer::start(Terminal::Detached){Ok(o)=>o,Err(e)=>{super::output::complain(&e.to_string(),None);return Exit::Host}};
    super::output::complain(&format!("{:?} {:?} {:?}", outer.way, outer.refused, outer.ready), None);
    for t in trials { let _=outer.ask(&Request::Run{trial:Box::new(t),keep:false});
      loop { match outer.next(std::time::Duration::from_secs(60)) { Next::Answer(a)=>{ let _=super::output::report(&format!("{}\n", serde_json::to_string(&a).unwrap_or_default())); if matches!(*a,Answer::Ended{..}){break} }, x=>{ super::output::complain(&format!("{x:?}"),None); return Exit::Bug } } } }
    Exit::Success }
