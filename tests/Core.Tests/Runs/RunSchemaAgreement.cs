using System.Reflection;
using System.Runtime.Serialization;
using System.Text.Json;
using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>The published schema and the records say the same.</summary>
public sealed class RunSchemaAgreement
{
    private static IEnumerable<(string Path, PropertyInfo Property, object? Default)> Walk(Type record, string prefix)
    {
        var instance = Activator.CreateInstance(record)!;
        foreach (var property in record.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(static p => p.CanWrite))
        {
            var path = prefix + JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name);
            yield return (path, property, property.GetValue(instance));
            var section = property.PropertyType == typeof(DataSources) ? typeof(DataSource) : property.PropertyType;
            if (section.Assembly == typeof(RunSpec).Assembly && section.IsClass)
                foreach (var inner in Walk(section, path + ".")) yield return inner;
        }
    }

    [Fact]
    public void Every_property_has_an_entry_and_every_entry_a_property() =>
        Assert.Equal(
            Walk(typeof(RunSpec), "").Select(static item => item.Path).Order(StringComparer.Ordinal),
            RunSchema.Published.Paths.Order(StringComparer.Ordinal)
        );

    [Fact]
    public void Every_entry_is_described()
    {
        foreach (var path in RunSchema.Published.Paths)
        {
            Assert.True(RunSchema.Published.TryGet(path, out var entry));
            Assert.False(string.IsNullOrWhiteSpace(entry.GetProperty("description").GetString()), path);
        }
    }

    [Fact]
    public void Defaults_agree()
    {
        // Without a default in the schema: what a file must say, sections, and what is absent unless given.
        string[] without =
        [
            "name",
            "model.path",
            "model.dtype",
            "data.train.path",
            "data.train.format",
            "data.train.weight",
            "data.train.columns",
            "data.validation.fraction",
            "data.validation.path",
            "data.validation.format",
            "data.evaluation.path",
            "training.steps",
            "training.epochs",
        ];
        foreach (var (path, property, value) in Walk(typeof(RunSpec), ""))
        {
            Assert.True(RunSchema.Published.TryGet(path, out var entry));
            if (entry.TryGetProperty("properties", out _) || without.Contains(path))
            {
                Assert.False(entry.TryGetProperty("default", out _), path);
                continue;
            }

            var expected = value switch
            {
                null => RunSchema.Published.DefaultText(path) == "auto" ? "\"auto\"" : "null",
                Enum word => JsonSerializer.Serialize(
                    word.GetType().GetField(word.ToString())!.GetCustomAttribute<EnumMemberAttribute>()!.Value
                ),
                _ => JsonSerializer.Serialize(value, property.PropertyType),
            };
            Assert.True(
                JsonElement.DeepEquals(JsonDocument.Parse(expected).RootElement, entry.GetProperty("default")),
                $"{path}: record {expected}, schema {entry.GetProperty("default").GetRawText()}"
            );
        }
    }

    [Fact]
    public void Enumerations_have_the_words_of_their_types()
    {
        foreach (var (path, property, _) in Walk(typeof(RunSpec), ""))
        {
            var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            if (!type.IsEnum) continue;
            Assert.True(RunSchema.Published.TryGet(path, out var entry));
            var words = entry
                .GetProperty("enum")
                .EnumerateArray()
                .Where(static v => v.ValueKind == JsonValueKind.String)
                .Select(static v => v.GetString()!)
                .Where(v => v != "auto" || property.PropertyType == type);
            Assert.Equal(
                type.GetFields(BindingFlags.Public | BindingFlags.Static)
                    .Select(static f => f.GetCustomAttribute<EnumMemberAttribute>()!.Value!),
                words
            );
        }
    }

    [Fact]
    public void Conditions_name_keys_and_words_that_exist()
    {
        foreach (var path in RunSchema.Published.Paths)
        {
            Assert.True(RunSchema.Published.TryGet(path, out var entry));
            if (!entry.TryGetProperty("x-only-with", out var conditions)) continue;
            foreach (var condition in conditions.EnumerateObject())
                foreach (var key in condition.Name.Split('|'))
                {
                    Assert.True(RunSchema.Published.TryGet(key, out var deciding), $"{path}: {key}");
                    var words = deciding.GetProperty("enum").EnumerateArray().Select(static v => v.GetString()).ToArray();
                    Assert.All(condition.Value.EnumerateArray(), word => Assert.Contains(word.GetString(), words));
                }
        }
    }

    [Fact]
    public async Task A_general_validator_accepts_what_is_written_and_refuses_an_unknown_key()
    {
        var schema = await NJsonSchema.JsonSchema.FromJsonAsync(
            RunSchema.Published.Root.GetRawText(),
            TestContext.Current.CancellationToken
        );
        const string Valid = """{"name":"a","model":{"path":"m"},"data":{"train":{"path":"t","format":"text"}},"training":{"steps":3}}""";
        Assert.Empty(schema.Validate(Valid));
        Assert.NotEmpty(schema.Validate(Valid.Replace("steps", "stepz", StringComparison.Ordinal)));
        Assert.NotEmpty(schema.Validate(Valid.Replace("\"text\"", "\"texts\"", StringComparison.Ordinal)));
    }
}
