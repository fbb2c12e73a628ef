//! `labels.Parse` of apimachinery.

use multinic_core::selector::{Operator, Requirement, parse};
use serde_json::Value;

use super::{cases, lines};

fn requirement(value: &Value) -> Requirement {
    let operator = value["operator"]
        .as_str()
        .or_else(|| value["op"].as_str())
        .unwrap();
    let operator = match operator {
        "In" | "in" | "=" | "==" => Operator::In,
        "NotIn" | "notin" | "!=" => Operator::NotIn,
        "Exists" | "exists" => Operator::Exists,
        "DoesNotExist" | "!" => Operator::DoesNotExist,
        "Gt" | "gt" => Operator::Gt,
        "Lt" | "lt" => Operator::Lt,
        other => panic!("operator {other}"),
    };
    let values = value["values"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut values: Vec<Box<str>> = values
        .iter()
        .map(|value| value.as_str().unwrap().into())
        .collect();
    values.sort_unstable();
    values.dedup();
    Requirement {
        key: value["key"].as_str().unwrap().into(),
        operator,
        values,
    }
}

fn compare(input: &str, accepted: bool, expected: &[Value]) {
    let parsed = parse(input);
    assert_eq!(parsed.is_ok(), accepted, "{input:?}: {parsed:?}");
    let Ok(parsed) = parsed else { return };
    let mut parsed: Vec<String> = parsed.iter().map(|found| format!("{found:?}")).collect();
    let mut expected: Vec<String> = expected
        .iter()
        .map(|wanted| format!("{:?}", requirement(wanted)))
        .collect();
    for list in [&mut parsed, &mut expected] {
        list.sort_unstable();
        list.dedup();
    }
    assert_eq!(parsed, expected, "{input:?}");
}

#[test]
fn every_listed_selector() {
    let cases = cases("selectors.json");
    assert_eq!(cases.len(), 59);
    for case in cases {
        let input = case["input"].as_str().unwrap();
        let expected = case["requirements"].as_array().cloned().unwrap_or_default();
        // A NUL byte ends the text for labels.Parse: what follows it would silently be no part of
        // the selector, so it is refused here.
        let accepted = case["ok"].as_bool().unwrap() && !input.contains('\0');
        compare(input, accepted, &expected);
    }
}

#[test]
fn every_random_selector() {
    let lines = lines("fuzz_selectors.jsonl");
    assert_eq!(lines.len(), 1500);
    for line in lines {
        let input = line["input"].as_str().unwrap();
        let multus = &line["multus"];
        let expected = multus["requirements"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let accepted = multus.get("error").is_none() && !input.contains('\0');
        compare(input, accepted, &expected);
    }
}
