using System.Reflection;
using System.Reflection.Emit;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Kernels.Tests;

/// <summary>The floors of docs/architecture.md: what stands on one uses nothing of those above it, in its signatures or in its code.</summary>
public sealed class FloorsTests
{
    private const BindingFlags All =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;

    /// <summary>From below.</summary>
    private static readonly string[] Floors = ["Torch", "Loops", "Weights", "Versions", "Adapters", "Models", "Shards"];

    private static readonly Dictionary<short, OpCode> Codes = typeof(OpCodes).GetFields()
        .Select(static field => (OpCode)field.GetValue(null)!)
        .ToDictionary(static code => code.Value);

    [Fact]
    public void None_uses_what_is_above_it()
    {
        var types = typeof(TorchRuntime).Assembly.GetTypes().Where(static type => FloorOf(type) >= 0).ToArray();
        Assert.Equal(Floors.Length, types.Select(FloorOf).Distinct().Count());
        Assert.Empty(types.SelectMany(static type => Used(type)
            .Where(other => FloorOf(other) > FloorOf(type))
            .Select(other => $"{type.FullName} uses {other.FullName}")).Distinct());
    }

    /// <summary>The sight of the test above: a method's code counts, not its signature alone.</summary>
    [Fact]
    public void What_a_method_calls_is_seen() => Assert.Contains(typeof(TorchRuntime), Used(typeof(Caller)));

    private static int FloorOf(Type type) =>
        type.Namespace is { } name && name.StartsWith("Peft.Orleans.Kernels.", StringComparison.Ordinal)
            ? Array.IndexOf(Floors, name.Split('.')[3])
            : -1;

    private static IEnumerable<Type> Used(Type type)
    {
        Type?[] own = [type.BaseType, .. type.GetInterfaces(), .. type.GetFields(All).Select(static field => field.FieldType)];
        var methods = type.GetMembers(All).OfType<MethodBase>().SelectMany(Used);
        return own.Concat(methods).OfType<Type>().SelectMany(Parts);
    }

    private static IEnumerable<Type?> Used(MethodBase method)
    {
        IEnumerable<Type?> signature = method.GetParameters().Select(static parameter => parameter.ParameterType);
        var code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        return signature.Append((method as MethodInfo)?.ReturnType).Concat(Tokens(code).SelectMany(token => Resolve(method, token)));
    }

    /// <summary>Tokens of the members that code names (ECMA-335, III.1.2).</summary>
    private static IEnumerable<int> Tokens(byte[] code)
    {
        for (var at = 0; at < code.Length;)
        {
            var value = code[at] == 0xfe ? (short)((0xfe << 8) | code[at + 1]) : code[at];
            var operation = Codes[value];
            at += operation.Size;
            switch (operation.OperandType)
            {
                case OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineType or OperandType.InlineTok:
                    yield return BitConverter.ToInt32(code, at);
                    at += 4;
                    break;
                case OperandType.InlineNone:
                    break;
                case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                    at++;
                    break;
                case OperandType.InlineVar:
                    at += 2;
                    break;
                case OperandType.InlineI8 or OperandType.InlineR:
                    at += 8;
                    break;
                case OperandType.InlineSwitch:
                    at += 4 + (4 * BitConverter.ToInt32(code, at));
                    break;
                default:
                    at += 4;
                    break;
            }
        }
    }

    private static IEnumerable<Type?> Resolve(MethodBase method, int token)
    {
        var ofType = method.DeclaringType!.IsGenericType ? method.DeclaringType.GetGenericArguments() : null;
        var member = method.Module.ResolveMember(token, ofType, method.IsGenericMethod ? method.GetGenericArguments() : null);
        var arguments = member is MethodInfo { IsGenericMethod: true } called ? called.GetGenericArguments() : [];
        return member is Type type ? [type] : arguments.Append(member?.DeclaringType);
    }

    /// <summary>A type with what it is made of: elements of arrays and pointers, arguments of generics.</summary>
    private static IEnumerable<Type> Parts(Type type) =>
        type.HasElementType ? Parts(type.GetElementType()!)
        : type.IsGenericType ? type.GetGenericArguments().SelectMany(Parts).Prepend(type)
        : [type];

    private static class Caller
    {
        internal static object Threads() => TorchRuntime.Threads;
    }
}
