use crate::plan::Trial; use super::topology::Lab; use crate::run::recorder::Recorder;
pub async fn verify(_:&Trial,_:&Lab,_:&Recorder)->bool{true}
