{
  good.services.moonrelay.documents = ../../../examples/kimi-provider/documents;
  bad.services.moonrelay.documents = ./.;
  says = "has no AGENTS.md";
}
