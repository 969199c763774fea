use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::*;

/// Saturday, 2026-11-21T12:00:00Z.
fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_262_400)
}

/// In hours from [`noon`].
fn hours(at: Option<SystemTime>) -> Option<u64> {
    at.map(|at| at.duration_since(noon()).unwrap().as_secs() / 3600)
}

fn read_quota(adapter: AdapterId, body: &Value) -> Result<Vec<Allowance>, String> {
    parse_response(adapter, body.to_string().as_bytes(), "USD", noon(), &Redactor::default())
}

/// Name, share that is used, money left, hours until it begins anew.
type Row = (String, Option<f64>, Option<String>, Option<u64>);

fn rows(adapter: AdapterId, body: &Value) -> Vec<Row> {
    let row = |row: Allowance| {
        let left = row.remaining.map(|left| format!("{left} {}", left.currency));
        (row.name, row.used_share, left, hours(row.resets_at))
    };
    read_quota(adapter, body).unwrap().into_iter().map(row).collect()
}

fn row(name: &str, used: Option<f64>, left: Option<&str>, hours: Option<u64>) -> Row {
    (name.to_owned(), used, left.map(str::to_owned), hours)
}

#[test]
fn quota_url_follows_from_the_base_url() {
    let (chat, messages) = (Api::ChatCompletions, Api::Messages);
    for (adapter, apis, expected) in [
        (
            AdapterId::Moonshot,
            vec![(messages, "https://api.moonshot.cn/anthropic/v1"), (chat, "https://api.moonshot.cn/v1")],
            "https://api.moonshot.cn/v1/users/me/balance",
        ),
        (
            AdapterId::Moonshot,
            vec![(messages, "http://127.0.0.1:9/moonshot/anthropic/v1")],
            "http://127.0.0.1:9/moonshot/v1/users/me/balance",
        ),
        (AdapterId::Moonshot, vec![(messages, "https://tunnel/v1")], "https://tunnel/v1/users/me/balance"),
        (
            AdapterId::KimiCode,
            vec![(messages, "https://api.kimi.ai/coding/v1")],
            "https://api.kimi.ai/coding/v1/usages",
        ),
        (
            AdapterId::OpenRouter,
            vec![(chat, "https://openrouter.ai/api/v1")],
            "https://openrouter.ai/api/v1/key",
        ),
    ] {
        let apis: Vec<_> = apis.into_iter().map(|(api, base)| (api, base.to_owned())).collect();
        assert_eq!(quota_url(adapter, &apis).as_deref(), Some(expected));
    }
    assert_eq!(quota_url(AdapterId::Generic, &[(chat, "http://127.0.0.1:8000/v1".to_owned())]), None);
    assert_eq!(quota_url(AdapterId::Moonshot, &[]), None);
}

#[test]
fn moonshot_reports_a_balance() {
    let body = |available: Value, cash: Value| {
        json!({"code": 0, "data": {"available_balance": available, "voucher_balance": 46.58893,
               "cash_balance": cash}, "scode": "0x0", "status": true})
    };
    let of = |available, cash| rows(AdapterId::Moonshot, &body(available, cash));
    let left = |left| row("balance", None, Some(left), None);
    assert_eq!(of(json!(49.58894), json!(3.00001)), [left("49.58894 USD")]);
    assert_eq!(of(json!("49.5"), json!(null)), [left("49.5 USD")]);
    assert_eq!(of(json!(0), json!(0)), [left("0 USD")]);
    let owed = row("cash", None, Some("-3.5 USD"), None);
    assert_eq!(of(json!(46.58893), json!(-3.5)), [left("46.58893 USD"), owed.clone()]);
    assert_eq!(of(json!("-3.50"), json!("-3.50")), [left("-3.5 USD"), owed]);
}

#[test]
fn kimi_code_reports_windows() {
    let body = json!({
        "user": {"userId": "x", "membership": {"level": "LEVEL_ADVANCED"}},
        "usage": {"limit": "100", "used": "47", "remaining": "53", "resetTime": "2026-11-28T12:00:00Z"},
        "limits": [{"window": {"duration": 300, "timeUnit": "TIME_UNIT_MINUTE"},
                    "detail": {"limit": "100", "used": "7", "remaining": "93", "resetTime": "2026-11-21T15:00:00.5Z"}}],
        "parallel": {"limit": "30"}, "totalQuota": {},
    });
    let expected = [row("5 hours", Some(0.07), None, Some(3)), row("week", Some(0.47), None, Some(168))];
    assert_eq!(rows(AdapterId::KimiCode, &body), expected);
}

#[test]
fn kimi_codes_exact_shares_win() {
    let body = json!({
        "limits": [{"window": {"duration": 300, "timeUnit": "TIME_UNIT_MINUTE"},
                    "detail": {"limit": "100", "used": "21", "resetTime": "2026-11-21T15:00:00Z"}}],
        "usages": {
            "limit_5h": {"used_ratio": 0.206526},
            "limit_7d": {"used_ratio": "0.5", "reset_time": "2026-11-23T12:00:00Z"},
            "limit_month_total": {"used_ratio": 2},
            "limit_month_code": {"used_ratio": 0.25},
            "limit_new": {},
        },
    });
    let expected = [
        row("5 hours", Some(0.206526), None, Some(3)),
        row("week", Some(0.5), None, Some(48)),
        row("month", Some(1.0), None, None),
        row("month code", Some(0.25), None, None),
    ];
    assert_eq!(rows(AdapterId::KimiCode, &body), expected);
}

#[test]
fn parts_of_kimi_codes_windows_may_be_missing() {
    let limit = |window: Value, detail: Value| json!({"window": window, "detail": detail});
    let window =
        |duration: u32, unit: &str| json!({"duration": duration, "timeUnit": format!("TIME_UNIT_{unit}")});
    let body = json!({
        "usage": {"limit": "100", "remaining": "0"},
        "limits": [
            limit(window(2, "HOUR"), json!({"limit": 50, "used": 5})),
            limit(window(1, "DAY"), json!({"limit": "0", "used": "0"})),
            limit(window(90, "MINUTE"), json!({"limit": "100", "used": "1", "resetTime": "soon"})),
            limit(window(5, "MOON"), json!({"limit": "100", "used": "1"})),
            json!({"window": window(1, "MONTH"), "limit": "10", "used": "-1"}),
            limit(json!(null), json!({"limit": "100", "used": "1"})),
            json!(7),
        ],
    });
    let expected = [
        row("2 hours", Some(0.1), None, None),
        row("90 minutes", Some(0.01), None, None),
        row("month", Some(0.0), None, None),
        row("week", Some(1.0), None, None),
    ];
    assert_eq!(rows(AdapterId::KimiCode, &body), expected);
}

#[test]
fn openrouter_reports_key_limits() {
    let body = |limit: Value, left: Value, reset: Value| {
        json!({"data": {"label": "sk-or-v1-abc...def", "limit": limit, "limit_remaining": left,
               "limit_reset": reset, "usage": 25.5, "is_free_tier": false,
               "free_model_daily_requests": {"used": 0, "limit": 1000, "remaining": 1000}}})
    };
    let of = |limit, left, reset| rows(AdapterId::OpenRouter, &body(limit, left, reset)).remove(0);
    assert_eq!(of(json!(100), json!(74.5), json!(null)), row("key", Some(0.255), Some("74.5 USD"), None));
    assert_eq!(of(json!(null), json!(null), json!(null)), row("key", None, None, None));
    assert_eq!(
        of(json!(5), json!(-0.25), json!("daily")),
        row("key", Some(1.0), Some("-0.25 USD"), Some(12))
    );
    assert_eq!(of(json!(5), json!(5), json!("weekly")), row("key", Some(0.0), Some("5 USD"), Some(36)));
    assert_eq!(of(json!(0), json!(0), json!("monthly")), row("key", None, Some("0 USD"), Some(228)));
    let free = json!({"data": {"is_free_tier": true, "free_model_daily_requests": {"used": 25, "limit": 50},
                      "effective_budget": {"remaining_usd": 1.5}}});
    let expected =
        [row("key", None, Some("1.5 USD"), None), row("free requests of the day", Some(0.5), None, None)];
    assert_eq!(rows(AdapterId::OpenRouter, &free), expected);
}

#[test]
fn body_without_a_quota_is_an_error() {
    let code =
        json!({"code": 5, "error": "url.not_found", "message": "没找到对象 of org-3f2a9c", "status": false});
    let page = parse_response(AdapterId::Moonshot, b"<html>", "USD", noon(), &Redactor::default());
    assert_eq!(page, Err("the response is not JSON".to_owned()));
    for (body, expected) in [
        (code, "code 5: 没找到对象 of …"),
        (json!({"code": "1", "status": true}), "code 1: the provider reports a failure"),
        (json!({"error": {"message": "Invalid Authentication"}}), "Invalid Authentication"),
        (json!({"error": "nope"}), "nope"),
    ] {
        for adapter in [AdapterId::Moonshot, AdapterId::KimiCode, AdapterId::OpenRouter] {
            assert_eq!(read_quota(adapter, &body), Err(expected.to_owned()));
        }
    }
    for body in [
        json!(null),
        json!([]),
        json!({}),
        json!("x"),
        json!({"data": null, "usage": {}, "limits": {}, "usages": []}),
        json!({"data": 5, "usage": "47", "limits": [{"window": {}, "detail": {}}], "usages": {"limit_5h": 1}}),
        json!({"code": 0, "data": []}),
    ] {
        for adapter in [AdapterId::Moonshot, AdapterId::KimiCode, AdapterId::OpenRouter] {
            let expected = "the response has no known quota";
            assert_eq!(read_quota(adapter, &body), Err(expected.to_owned()), "{body}");
        }
    }
    let big = json!({"data": {"available_balance": 1e300, "cash_balance": "NaN"}});
    assert_eq!(rows(AdapterId::Moonshot, &big).len(), 1);
}
