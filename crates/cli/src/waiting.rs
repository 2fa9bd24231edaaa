//! What waits for a person: issuers to accept, consent to give. Names are shown beside what proves them.

use keyferry::{ConsentNeeded, IssuerToTrust, News};

use crate::event::Event;
use crate::failed::Failed;
use crate::output::{Line, Output};
use crate::words;

/// Says which issuers wait for trust.
pub fn for_trust(output: &Output, failed: &mut Failed, issuers: &[IssuerToTrust]) {
    for issuer in issuers {
        let (name, url) = (
            keyferry_license::printable(&issuer.name),
            keyferry_license::printable(&issuer.service_url),
        );
        output.event(
            &Line::new(Event::TrustNeeded)
                .with("name", name.as_str())
                .with("thumbprint", issuer.thumbprint.to_string())
                .with("service_url", url.as_str())
                .with("licenses", issuer.licenses),
        );
        failed.hints.push(format!(
            "{} of {name}, thumbprint {}, with the service at {url}: compare the thumbprint with the one that {name} \
             publishes",
            words::count(issuer.licenses, "license"),
            words::grouped(&issuer.thumbprint)
        ));
    }
}

/// Says which services wait for consent, and to what.
pub fn for_consent(output: &Output, failed: &mut Failed, services: &[ConsentNeeded]) {
    for service in services {
        let (name, url) = (
            keyferry_license::printable(&service.name),
            keyferry_license::printable(&service.url),
        );
        output.event(
            &Line::new(Event::ConsentNeeded)
                .with("name", name.as_str())
                .with("thumbprint", service.thumbprint.to_string())
                .with("url", url.as_str())
                .with("licenses", service.licenses),
        );
        failed.hints.push(format!(
            "for {}: the service {name} at {url} does not know this computer yet; individualizing sends it this \
             computer's public keys and its name, and nothing was sent so far",
            words::count(service.licenses, "license")
        ));
    }
}

/// Says what contacts with services brought beside what they were made for.
pub fn news(output: &Output, news: &News, beside: bool) {
    output.summarize("revoked", news.revoked);
    news.warnings
        .iter()
        .for_each(|why| output.warning(keyferry_license::printable(why)));
    if news.revoked > 0 {
        let licenses = words::count(news.revoked, "license");
        output.text(format_args!("{licenses} here revoked by the issuer, and removed"));
    }
    if beside && news.given_back > 0 {
        let licenses = words::count(news.given_back, "license");
        output.text(format_args!(
            "the slots of {licenses} given back earlier are free now"
        ));
    }
}

/// What the word of a failure means to a person.
pub fn reason(word: &str) -> &str {
    match word {
        "limit" => "the limit of computers is reached",
        "issuer-not-accepted" => "the issuer is not accepted on this computer",
        "needs-individualization" => "the service does not know this computer yet",
        "service-unavailable" => "the service can't be reached",
        "service-not-trusted" => "the service's certificate is not trusted here",
        "service-busy" => "the service asks to come back later",
        "other-computer" => "issued to another computer",
        "backup-corrupt" => "the backup is damaged there",
        "revoked" => "revoked by the issuer",
        "released" => "given back by this computer",
        "expired" => "expired",
        "store-corrupt" => "damaged in the license store",
        "refused" => "the service refused",
        "individualization-failed" => "the service does not certify this computer",
        "canceled" => "canceled",
        "failure" => "not what it should be",
        other => other,
    }
}
