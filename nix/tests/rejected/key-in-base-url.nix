{
  valid.services.moonrelay.settings.models.providers.lab.baseUrl = "https://lab.example.com/v1";
  invalid.services.moonrelay.settings.models.providers.lab.baseUrl = "https://sk-0123456789abcdef@lab.example.com/v1";
  message = "services.moonrelay.settings.models.providers.lab.baseUrl contains a secret in plain text";
}
