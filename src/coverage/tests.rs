//! Every format, every refusal with its place, and the bounds.

use crate::{
    coverage::*,
    risk::{
        facts::{FileChange, FileStatus, LineBlock, Reason, Source, Unknown},
        patch::Patch,
    },
};

/// `path: line=hits …` for each file.
fn told(report: &Report) -> String {
    let file = |path: &str| {
        let lines: Vec<_> = report.lines(path).unwrap().iter().map(|l| format!("{}={}", l.number, l.hits)).collect();
        format!("{path}: {}", lines.join(" "))
    };
    report.paths().map(file).collect::<Vec<_>>().join("\n")
}

fn check(text: &str, format: Format, expected: &str) {
    let (found, report) = parse(text.as_bytes()).unwrap_or_else(|refused| panic!("{refused}: {text}"));
    assert_eq!((found, told(&report).as_str()), (format, expected), "{text}");
    assert_eq!(Report::unpack(&report.pack()).unwrap().totals(), report.totals());
}

#[test]
fn each_format_is_found_and_read() {
    check(
        "TN:\nSF:/w/shop/src/a.rs\nFN:1,main\nDA:1,3\nDA:2,0,abc\nDA:3,-1\nDA:4,1e+06\nBRDA:2,0,0,-\nend_of_record\nDA:9,9\n\
         SF:src/b.rs\r\nDA:0,1\r\nDA:5,1\r\nDA:5,0\r\nend_of_record\r\n",
        Format::Lcov,
        "src/b.rs: 5=1\nw/shop/src/a.rs: 1=3 2=0 3=0 4=1000000",
    );
    check(
        "<?xml version=\"1.0\"?><!DOCTYPE coverage SYSTEM 'http://cobertura.sourceforge.net/xml/coverage-04.dtd'>\
         <coverage line-rate=\"0.5\"><sources><source>./lib</source></sources><packages><package name=\"p\"><classes>\
         <class name=\"A\" filename=\"a&amp;b.py\"><methods><method name=\"m\"><lines><line number=\"1\" hits=\"2\"/></lines>\
         </method></methods><lines><line number=\"1\" hits=\"2\"/><line number=\"3\" hits=\"0\" branch=\"true\"/></lines>\
         </class></classes></package></packages></coverage>",
        Format::Cobertura,
        "lib/a&b.py: 1=2 3=0",
    );
    check(
        "<?xml version=\"1.0\"?><!DOCTYPE report PUBLIC \"-//JACOCO//DTD Report 1.1//EN\" \"report.dtd\">\
         <report name=\"shop\"><group name=\"core\"><package name=\"com/acme\"><class name=\"com/acme/A\"/>\
         <sourcefile name=\"A.java\"><line nr=\"3\" mi=\"0\" ci=\"5\" mb=\"0\" cb=\"0\"/><line nr=\"4\" mi=\"2\" ci=\"0\"/>\
         <counter type=\"LINE\" missed=\"1\" covered=\"1\"/></sourcefile></package></group></report>",
        Format::Jacoco,
        "com/acme/A.java: 3=5 4=0",
    );
    check(
        "<coverage generated=\"1\"><project timestamp=\"1\"><package name=\"p\"><file name=\"A.php\" path=\"/w/src/A.php\">\
         <line num=\"3\" type=\"method\" count=\"1\"/><line num=\"4\" type=\"cond\" truecount=\"0\" falsecount=\"2\"/>\
         <line num=\"5\" type=\"stmt\" count=\"0\"/><metrics/></file></package></project></coverage>",
        Format::Clover,
        "w/src/A.php: 3=1 4=2 5=0",
    );
    check(
        "mode: count\ngithub.com/acme/shop/a.go:3.20,5.2 2 4\ngithub.com/acme/shop/a.go:5.2,6.3 1 0\n\
         mode: count\ngithub.com/acme/shop/a.go:6.1,6.3 1 7\n",
        Format::Go,
        "github.com/acme/shop/a.go: 3=4 4=4 5=4 6=7",
    );
    // fn main() { (1) if x { (2) y } (3) z } (4): line 2 enters a region that never ran.
    check(
        "{\"data\":[{\"files\":[{\"filename\":\"/w/a.rs\",\"segments\":[[1,1,2,true,true,false],[2,8,0,true,true,false],\
         [3,4,2,true,false,false],[4,2,0,false,false,false]],\"summary\":{}}],\"functions\":[{\"x\":[1]}],\"totals\":{}}],\
         \"type\":\"llvm.coverage.json.export\",\"version\":\"2.0.1\"}",
        Format::LlvmCov,
        "w/a.rs: 1=2 2=2 3=0 4=2",
    );
}

#[test]
fn what_is_no_report_is_refused_with_its_place() {
    let check = |text: &str, expected: &str| {
        assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
    };
    check(" \n", "the report is empty");
    check(
        "hello",
        "the report is in none of the formats LCOV, Cobertura XML, JaCoCo XML, Clover XML, Go coverprofile, llvm-cov JSON",
    );
    check("SF:a\nDA:x,1", "the report is not LCOV after all: a DA record without line and count, in line 2");
    check(
        "mode: set\na.go:1.2,3 1",
        "the report is not Go coverprofile after all: not a block of statements, in line 2",
    );
    check("<report>\n<package", "the report is not JaCoCo XML after all: not well-formed, in line 2");
    check("<report>\n", "the report is not JaCoCo XML after all: cut off, in line 2");
    check("{\"data\": [", "the report is not llvm-cov JSON after all: not JSON, in line 1");
    check("SF:../../etc/passwd\nDA:1,1\n", "the report names no file by a path that can be one of a repository");
    check("SF:a\nDA:10000001,1\n", "the report has too many lines in one file; at most 10000000 are taken");
    assert_eq!(parse(b"SF:\xff\xfe").unwrap_err(), Refused::Encoding);
    assert_eq!(parse(&[0xff, 0xfe, b'<', 0]).unwrap_err(), Refused::Encoding);
    for text in ["<html/>", "<coverage/>", "{}", "{\"type\":\"x\",\"data\":[]}", "[1]"] {
        assert_eq!(parse(text.as_bytes()).unwrap_err(), Refused::Unknown, "{text}");
    }
}

#[test]
fn bombs_are_refused_within_their_bounds() {
    let entities = "<!DOCTYPE report [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><report>&b;</report>";
    assert!(matches!(parse(entities.as_bytes()), Err(Refused::Malformed { .. })), "an entity bomb");
    let outside = "<!DOCTYPE report [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><report>&x;</report>";
    assert!(matches!(parse(outside.as_bytes()), Err(Refused::Malformed { .. })), "an outside entity");
    // A reference that nothing defines stays a reference.
    let named =
        "<report><package name='&x;'><sourcefile name='A.java'><line nr='1' ci='1'/></sourcefile></package></report>";
    assert_eq!(told(&parse(named.as_bytes()).unwrap().1), "A.java: 1=1");
    // The bounds are the usual ones, only smaller: what counts is that each is held before it is passed.
    let limits = Limits { bytes: 1 << 16, lines: 5_000, files: 100, taken: 16_000 };
    let too_large = |text: &str| match parse_within(text.as_bytes(), limits) {
        Err(Refused::TooLarge { what, .. }) => what,
        taken => panic!("{taken:?}"),
    };
    let deep = "<report>".to_owned() + &"<group>".repeat(1_000);
    assert_eq!(too_large(&deep), "elements within one another");
    assert_eq!(too_large("mode: set\na.go:1.1,9999999.1 1 1\n"), "coverable lines");
    assert_eq!(too_large("SF:a.rs\nDA:99999999,1\n"), "lines in one file");
    let again = "mode: set\n".to_owned() + &"a.go:1.1,1900.1 1 1\n".repeat(1_000);
    assert_eq!(too_large(&again), "lines, doubles included");
    let far = "[1,1,1,true,true,false],[9999999,1,0,false,false,false]";
    let export = |segments: &str| {
        let files = format!("{{\"filename\":\"a.c\",\"segments\":[{segments}]}}");
        format!("{{\"type\":\"llvm.coverage.json.export\",\"data\":[{{\"files\":[{files}]}}]}}")
    };
    assert_eq!(too_large(&export(far)), "coverable lines");
    // A gap in which nothing can run costs nothing.
    let gap = parse(export("[1,1,1,false,false,false],[9999999,1,3,true,true,false]").as_bytes()).unwrap().1;
    assert_eq!(told(&gap), "a.c: 9999999=3");
    assert_eq!(too_large(&(0..=limits.files).map(|i| format!("SF:{i}\n")).collect::<String>()), "files");
    assert_eq!(too_large(&" ".repeat(limits.bytes + 1)), "bytes");
}

#[test]
fn reports_are_merged_and_packed() {
    let read = |text: &str| parse(text.as_bytes()).unwrap().1;
    let mut both = read("SF:a.rs\nDA:1,0\nDA:2,5\nend_of_record\nSF:../x\nDA:1,1\n");
    let other = read("SF:a.rs\nDA:1,3\nDA:3,0\nend_of_record\nSF:b.rs\nDA:7,300\n");
    both.merge(other.clone()).unwrap();
    assert_eq!(told(&both), "a.rs: 1=3 2=5 3=0\nb.rs: 7=300");
    assert_eq!((both.totals(), both.files(), both.left_out()), (Totals { lines: 4, covered: 3 }, 2, 1));
    let once = both.clone();
    both.merge(other).unwrap();
    assert_eq!(both, once, "what is taken in twice changes nothing");
    let unpacked = Report::unpack(&both.pack()).unwrap();
    assert_eq!(told(&unpacked), "a.rs: 1=3 2=5 3=0\nb.rs: 7=127");
    assert_eq!(unpacked.left_out(), 1);
    let packed = both.pack();
    for cut in 0..packed.len() {
        assert_eq!(Report::unpack(&packed[..cut]), Err(Damaged), "{cut}");
    }
    assert_eq!(Report::unpack(&[&packed[..], &[0]].concat()), Err(Damaged));
}

fn changed(path: &str, patch: &str) -> FileChange {
    let added = patch.lines().filter(|line| line.starts_with('+')).count() as u64;
    FileChange {
        path: path.into(),
        previous_path: None,
        status: FileStatus::Modified,
        added,
        deleted: 0,
        patch: Ok(Patch(patch.into())),
        binary: false,
        submodule: false,
    }
}

fn placed(tree: &Tree, report: &Report) -> Placed {
    let mut placed = Placed::default();
    placed.take(tree, report).unwrap();
    placed
}

/// A source that leads upwards (gcovr with `-r ..`) says nothing of where a file lies; a function without statements cannot run.
#[test]
fn odd_but_legal_reports_are_read() {
    let source = "<coverage><sources><source>..</source></sources><packages><package><classes><class filename=\"main.go\">\
                  <lines><line number=\"1\" hits=\"1\"/></lines></class></classes></package></packages></coverage>";
    check(source, Format::Cobertura, "main.go: 1=1");
    check("mode: set\na.go:2.1,2.20 0 0\na.go:3.1,3.9 1 1\n", Format::Go, "a.go: 3=1");
}

#[test]
fn files_without_their_changed_lines_are_counted_as_such() {
    let report = parse(b"SF:src/a.rs\nDA:1,1\nend_of_record\nSF:src/b.rs\nDA:1,0\nend_of_record\n").unwrap().1;
    let withheld = || Err(Unknown { source: Source::Diff, reason: Reason::NotApplicable });
    let files = [
        changed("src/a.rs", "@@ -0,0 +1,1 @@\n+fn x() {}\n"),
        FileChange { patch: withheld(), ..changed("src/b.rs", "") },
        // The report does not know it, or nothing in it can run.
        FileChange { patch: withheld(), ..changed("src/c.rs", "") },
        FileChange { patch: withheld(), ..changed("docs/c.md", "") },
    ];
    let tree = Tree::of(files.iter().map(|file| file.path.clone()));
    let measured = measure(&placed(&tree, &report), &files, &[]);
    assert_eq!((measured.executable, measured.covered, measured.unread), (1, 1, 1));
}

#[test]
fn changed_lines_are_measured() {
    let report = parse(
        b"SF:/w/src/a.rs\nDA:1,1\nDA:2,0\nDA:3,0\nDA:4,0\nDA:5,0\nDA:6,1\nDA:9,0\nDA:50,1\nend_of_record\n\
          SF:/w/tests/a.rs\nDA:1,0\n",
    );
    let report = report.unwrap().1;
    let files = [
        changed(
            "src/a.rs",
            "@@ -1,2 +1,7 @@\n+let a = 1;\n+let b = 2;\n+let c = 3;\n+}\n+let d = 4;\n old\n+// why\n@@ -7,0 +9,1 @@\n+let e = 5;\n",
        ),
        changed("src/new.rs", "@@ -0,0 +1,1 @@\n+fn x() {}\n"),
        changed("tests/a.rs", "@@ -0,0 +1,1 @@\n+fn x() {}\n"),
        changed("README.md", "@@ -0,0 +1,1 @@\n+words\n"),
    ];
    let tree = Tree::of(files.iter().map(|file| file.path.clone()));
    let measured = measure(&placed(&tree, &report), &files, &[]);
    assert_eq!((measured.executable, measured.covered), (5, 1));
    assert_eq!(measured.absent, ["src/new.rs"]);
    let [file] = measured.files.as_slice() else { panic!("{measured:?}") };
    assert_eq!((file.lines, file.lines_covered, file.path.as_str()), (8, 3, "src/a.rs"));
    // A brace between them does not part lines that did not run.
    let blocks = [LineBlock { first: 2, last: 5, executable: 3 }, LineBlock { first: 9, last: 9, executable: 1 }];
    assert_eq!(file.uncovered, blocks);
    assert_eq!(measure(&placed(&tree, &report), &files, &["src/**".into()]), Measured::default());
}

/// Two packages report their own `src/index.js`; each report alone says where it lies.
#[test]
fn files_of_one_name_in_two_packages_stay_apart() {
    let files = [changed("packages/a/src/index.js", "@@ -0,0 +1,2 @@\n+one();\n+two();\n")];
    let tree = ["a/src/a.js", "a/src/index.js", "b/src/b.js", "b/src/index.js"];
    let tree = Tree::of(tree.map(|file| format!("packages/{file}")));
    let report = |name: &str, hits: u32| {
        let text = format!("SF:src/{name}.js\nDA:1,1\nSF:src/index.js\nDA:1,{hits}\nDA:2,{hits}\nend_of_record\n");
        parse(text.as_bytes()).unwrap().1
    };
    let mut reports = Placed::default();
    for one in [report("a", 0), report("b", 5)] {
        reports.take(&tree, &one).unwrap();
    }
    let measured = measure(&reports, &files, &[]);
    assert_eq!((measured.executable, measured.covered), (2, 0));
    assert_eq!((reports.files(), reports.totals()), (4, Totals { lines: 6, covered: 4 }));
}
