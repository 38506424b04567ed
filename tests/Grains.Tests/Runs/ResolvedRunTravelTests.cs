using System.Collections;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Grains.Runs;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>
/// A resolved run comes out of messages and of the coordinator's stored record as it went in, every field of it: a property that is not
/// serialised would take its default on every silo but the first. Values are made for whatever properties there are.
/// </summary>
public sealed class ResolvedRunTravelTests
{
    private readonly ServiceProvider services = new ServiceCollection().AddSerializer().BuildServiceProvider();

    public static TheoryData<MethodName> Methods => [.. Enum.GetValues<MethodName>()];

    [Theory]
    [MemberData(nameof(Methods))]
    public void Every_field_travels(MethodName method)
    {
        var full = (ResolvedRun)Values.Make(typeof(ResolvedRun));
        var run = full with { Spec = full.Spec with { Method = full.Spec.Method with { Name = method } } };
        var serializer = services.GetRequiredService<Serializer>();
        Values.AssertEqual(run, serializer.Deserialize<ResolvedRun>(serializer.SerializeToArray(run)), nameof(ResolvedRun));
        Values.AssertEqual(run, services.GetRequiredService<DeepCopier>().Copy(run), nameof(ResolvedRun));
        var stored = serializer.Deserialize<RunRecord>(serializer.SerializeToArray(new RunRecord { Run = run }));
        Values.AssertEqual(run, stored!.Run, nameof(RunRecord));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Its_text_reads_back_to_it(MethodName method)
    {
        var model = ModelFolder.Open(Path.Combine(Repository.Root, "examples/tiny-llama")).Dimensions;
        var spec = RunFile.Parse(
            $"name: a\nmodel: {{ path: /m }}\ndata: {{ train: {{ path: /d, format: tokens }} }}\ntraining: {{ steps: 2 }}\n"
                + $"method: {{ name: {RunFileWord(method)} }}\noutput: /o\n"
        );
        var run = ResolvedRun.Of(spec, model, WeightType.BFloat16, ProductType.Float32, threads: 3);
        var again = ResolvedRun.Of(RunFile.Parse(run.Yaml), model, WeightType.BFloat16, ProductType.Float32, threads: 3);
        Assert.Equal((run.Yaml, run.Hash), (again.Yaml, again.Hash));
        Assert.Equal((3, ProductType.Float32), (again.Spec.Compute.ThreadsPerSilo, again.Spec.Compute.Products));
    }

    private static string RunFileWord(MethodName method) =>
        System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(method.ToString());

    /// <summary>Objects whose every property has a value that is not its default, and their comparison.</summary>
    private static class Values
    {
        internal static object Make(Type type)
        {
            var number = 0;
            return Make(type, ref number);
        }

        internal static void AssertEqual(object? expected, object? actual, string place)
        {
            if (expected is null || actual is null || expected is string || expected.GetType().IsValueType)
            {
                Assert.True(Equals(expected, actual), $"{place}: {expected} became {actual}");
                return;
            }

            Assert.Equal(expected.GetType().IsArray, actual.GetType().IsArray);
            if (expected is IEnumerable items)
            {
                var (these, those) = (items.Cast<object>().ToArray(), ((IEnumerable)actual).Cast<object>().ToArray());
                Assert.True(these.Length == those.Length, $"{place}: {these.Length} items became {those.Length}");
                for (var i = 0; i < these.Length; i++) AssertEqual(these[i], those[i], $"{place}[{i}]");
                return;
            }

            Assert.Equal(expected.GetType(), actual.GetType());
            foreach (var property in Settable(expected.GetType()))
                AssertEqual(property.GetValue(expected), property.GetValue(actual), $"{place}.{property.Name}");
        }

        private static object Make(Type type, ref int number)
        {
            type = Nullable.GetUnderlyingType(type) ?? type;
            number++;
            if (type == typeof(string)) return $"text{number}";
            if (type == typeof(bool)) return true;
            if (type.IsEnum) return Enum.GetValues(type).GetValue(Enum.GetValues(type).Length - 1)!;
            if (type == typeof(double)) return number + 0.25;
            if (type.IsPrimitive) return Convert.ChangeType(number, type, System.Globalization.CultureInfo.InvariantCulture);
            if (type.IsArray) return List(type.GetElementType()!, ref number);
            if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>)) return Map(type, ref number);
            if (type.IsGenericType) return List(type.GetGenericArguments()[0], ref number);
            return Record(type, ref number);
        }

        private static Array List(Type item, ref int number)
        {
            var list = Array.CreateInstance(item, 2);
            for (var i = 0; i < list.Length; i++) list.SetValue(Make(item, ref number), i);
            return list;
        }

        private static IDictionary Map(Type type, ref int number)
        {
            var arguments = type.GetGenericArguments();
            var map = (IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(arguments))!;
            for (var i = 0; i < 2; i++) map.Add(Make(arguments[0], ref number), Make(arguments[1], ref number));
            return map;
        }

        private static object Record(Type type, ref int number)
        {
            // Positional records are made of their parameters, others of their properties.
            var constructor = type.GetConstructors().OrderByDescending(static one => one.GetParameters().Length).First();
            var arguments = new List<object>();
            foreach (var parameter in constructor.GetParameters()) arguments.Add(Make(parameter.ParameterType, ref number));
            var made = constructor.Invoke([.. arguments]);
            var untouched = type.GetConstructor([])?.Invoke([]);
            foreach (var property in Settable(type))
            {
                property.SetValue(made, Make(property.PropertyType, ref number));
                // A value that is the default would not show that it was lost; one bool of two is.
                if (untouched is not null && property.PropertyType == typeof(bool))
                    property.SetValue(made, !(bool)property.GetValue(untouched)!);
            }

            return made;
        }

        private static PropertyInfo[] Settable(Type type) =>
            [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(static property => property.SetMethod is not null)];
    }
}
