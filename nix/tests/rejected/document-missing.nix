{
  valid.services.moonrelay.documents = ../../../examples/kimi-provider/documents;
  invalid.services.moonrelay.documents = ./.;
  message = "has no AGENTS.md";
}
