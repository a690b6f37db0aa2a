use mergecast::{
    history::History,
    risk::{Model, signal},
    stream,
};
use std::io::Write;
fn main() {
    for file in std::env::args().skip(1) {
        let name =
            std::path::Path::new(&file).file_name().unwrap().to_string_lossy().split('.').next().unwrap().to_owned();
        let mut out = std::io::BufWriter::new(std::fs::File::create(format!("/tmp/terms_{name}.csv")).unwrap());
        let ids: Vec<&str> = signal::SIGNALS.iter().flat_map(|s| s.terms).map(|t| t.id).collect();
        writeln!(out, "sha,{},lnbase,lnfix", ids.join(",")).unwrap();
        let mut history = History::default();
        for landed in stream::open(std::path::Path::new(&file)).unwrap() {
            let landed = landed.unwrap();
            let step = history.step(&landed, Model::baseline());
            let mut row = vec![landed.sha.clone()];
            for (s, r) in signal::SIGNALS.iter().zip(signal::read_all(&step.facts)) {
                match r {
                    Ok(m) => row.extend(m.terms.iter().map(|x| format!("{x:.5}"))),
                    Err(_) => row.extend(s.terms.iter().map(|_| String::new())),
                }
            }
            let h = step.facts.history.as_ref().unwrap();
            row.push(format!("{:.5}", h.base_rate.ln()));
            row.push(format!("{:.5}", h.fix_rate.ln()));
            writeln!(out, "{}", row.join(",")).unwrap();
        }
    }
}
