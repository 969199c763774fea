{
  good.services.moonrelay.settings.models.providers.lab.baseUrl = "https://lab.example.com/v1";
  bad.services.moonrelay.settings.models.providers.lab.baseUrl = "https://sk-0123456789abcdef@lab.example.com/v1";
  says = "services.moonrelay.settings.models.providers.lab.baseUrl holds a secret in plain text";
}
