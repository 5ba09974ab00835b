// Swagger UI for the OpenAPI document that lies beside the page
SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger',
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
