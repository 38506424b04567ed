using Peft.Orleans.Data.Jinja.Builtins;
using Peft.Orleans.Data.Jinja.Nodes;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>Expressions, from those that bind least to those that bind most.</summary>
internal sealed partial class Parser
{
    private Expression Expression(bool withConditions = true) => Nested(() => withConditions ? Choice() : Or());

    private Expression Choice()
    {
        var before = unknown.Count;
        var value = Or();
        // What stands before an if belongs to it, and may name filters that nobody knows.
        if (Current.IsName("if")) unknown.RemoveRange(before, unknown.Count - before);
        while (SkipName("if"))
        {
            var (then, condition) = (value, Within(leniently: true, Or));
            value = new Conditional(condition, then, SkipName("else") ? Within(leniently: true, () => Nested(Choice)) : null);
        }

        return value;
    }

    private Expression Or()
    {
        var left = And();
        while (SkipName("or")) left = new Logic(and: false, left, And());
        return left;
    }

    private Expression And()
    {
        var left = Negation();
        while (SkipName("and")) left = new Logic(and: true, left, Negation());
        return left;
    }

    private Expression Negation() => SkipName("not") ? new Not(Nested(Negation)) : Compared();

    private Expression Compared()
    {
        var first = Sum();
        var others = new List<(string, Expression)>();
        while (true)
        {
            if (Current is { Kind: TokenKind.Sign, Text: "==" or "!=" or "<" or "<=" or ">" or ">=" }) others.Add((Next().Text, Sum()));
            else if (SkipName("in")) others.Add(("in", Sum()));
            else if (Current.IsName("not") && Peek.IsName("in"))
            {
                at += 2;
                others.Add(("not in", Sum()));
            }
            else break;
        }

        return others.Count == 0 ? first : new Comparison(first, [.. others]);
    }

    private Expression Sum()
    {
        var left = Joined();
        while (Current is { Kind: TokenKind.Sign, Text: "+" or "-" }) left = new Binary(Next().Text, left, Joined());
        return left;
    }

    private Expression Joined()
    {
        var parts = new List<Expression> { Product() };
        while (Skip("~")) parts.Add(Product());
        return parts.Count == 1 ? parts[0] : new Joining([.. parts]);
    }

    private Expression Product()
    {
        var left = Power();
        while (Current is { Kind: TokenKind.Sign, Text: "*" or "/" or "//" or "%" }) left = new Binary(Next().Text, left, Power());
        return left;
    }

    private Expression Power()
    {
        var left = Unary(withFilters: true);
        while (Skip("**")) left = new Binary("**", left, Unary(withFilters: true));
        return left;
    }

    private Expression Unary(bool withFilters)
    {
        var value = Current is { Kind: TokenKind.Sign, Text: "-" or "+" }
            ? new Signed(Next().Text == "-", Nested(() => Unary(withFilters: false)))
            : Primary();
        value = Postfix(value);
        return withFilters ? FiltersAndTests(value) : value;
    }

    private Expression Primary()
    {
        var token = Next();
        switch (token)
        {
            case { Kind: TokenKind.Name, Text: "true" or "True" }: return new Constant(Types.True);
            case { Kind: TokenKind.Name, Text: "false" or "False" }: return new Constant(Types.False);
            case { Kind: TokenKind.Name, Text: "none" or "None" }: return new Constant(null);
            case { Kind: TokenKind.Name }: return Load(token.Text);
            case { Kind: TokenKind.Text }:
                var text = token.Text;
                while (Current.Kind == TokenKind.Text) text += Next().Text;
                return new Constant(text);
            case { Kind: TokenKind.Whole or TokenKind.Real }: return new Constant(Numbers.Value(token));
            case { Kind: TokenKind.Sign, Text: "(" }:
                var inner = Nested(() => Tuple(withConditions: true, explicitly: true));
                Expect(")");
                return inner;
            case { Kind: TokenKind.Sign, Text: "[" }:
                return new Elements([.. Several("]", () => Expression())], tuple: false);
            case { Kind: TokenKind.Sign, Text: "{" }:
                return new Entries([.. Several("}", Entry)]);
            default: throw Wrong($"unexpected '{token.Described}'", token.Line);
        }

        (Expression, Expression) Entry()
        {
            var key = Expression();
            Expect(":");
            return (key, Expression());
        }
    }

    private List<T> Several<T>(string close, Func<T> read)
    {
        var items = new List<T>();
        while (!Current.IsSign(close))
        {
            if (items.Count > 0) Expect(",");
            if (Current.IsSign(close)) break;
            items.Add(read());
        }

        Expect(close);
        return items;
    }

    /// <summary>An expression, or several with commas between them, which are a tuple.</summary>
    private Expression Tuple(bool withConditions, bool explicitly = false, string? endName = null)
    {
        var items = new List<Expression>();
        var several = false;
        while (true)
        {
            if (items.Count > 0) Expect(",");
            if (EndsTuple(endName)) break;
            items.Add(Expression(withConditions));
            if (!Current.IsSign(",")) break;
            several = true;
        }

        if (several || (items.Count == 0 && explicitly)) return new Elements([.. items], tuple: true);
        return items.Count == 1 ? items[0] : throw Wrong($"Expected an expression, got '{Current.Described}'");
    }

    private bool EndsTuple(string? endName) => Current.Kind is TokenKind.PrintEnd or TokenKind.BlockEnd
        || Current.IsSign(")")
        || (endName is not null && Current.IsName(endName));

    private Expression Postfix(Expression value)
    {
        while (true)
        {
            if (Skip("."))
            {
                var name = Next();
                value = name.Kind switch
                {
                    TokenKind.Name => Attribute(value, name.Text),
                    TokenKind.Whole => new GetItem(value, new Constant(Numbers.Value(name))),
                    _ => throw Wrong("expected name or number", name.Line),
                };
            }
            else if (Skip("[")) value = Subscript(value);
            else if (Current.IsSign("(")) value = Called(value);
            else return value;
        }
    }

    private GetAttribute Attribute(Expression value, string name)
    {
        fields.Attribute(name);
        return new GetAttribute(value, name);
    }

    private Call Called(Expression value)
    {
        var line = Current.Line;
        var arguments = CallArguments();
        fields.Call(value, arguments);
        return new Call(value, arguments, line);
    }

    private Expression Subscript(Expression value)
    {
        var first = Current.IsSign(":") ? null : Expression();
        if (!Current.IsSign(":"))
        {
            if (!Current.IsSign(","))
            {
                Expect("]");
                fields.Subscript(first!);
                return new GetItem(value, first!);
            }

            Next();
            return new GetItem(value, new Elements([first!, .. Several("]", () => Expression())], tuple: true));
        }

        Next();
        var second = Bound();
        var third = Skip(":") ? Bound() : null;
        Expect("]");
        return new GetSlice(value, first, second, third);

        Expression? Bound() => Current.IsSign(":") || Current.IsSign("]") || Current.IsSign(",") ? null : Expression();
    }

    private Expression FiltersAndTests(Expression value)
    {
        while (true)
        {
            if (Current.IsSign("|")) value = Filter(value);
            else if (SkipName("is")) value = Test(value);
            else if (Current.IsSign("(")) value = Called(value);
            else return value;
        }
    }

    private Filtered Filter(Expression? value, bool begun = false)
    {
        if (!begun) Expect("|");
        var line = Current.Line;
        var name = DottedName();
        if (!Filters.Table.TryGetValue(name, out var filter) && !lenient) unknown.Add(Wrong($"No filter named '{name}'.", line));
        var arguments = Current.IsSign("(") ? CallArguments() : Nodes.CallArguments.None;
        fields.Filter(name, arguments);
        return new Filtered(value, name, filter, arguments);
    }

    private string DottedName()
    {
        var name = Expect(TokenKind.Name, "name").Text;
        while (Skip(".")) name += "." + Expect(TokenKind.Name, "name").Text;
        return name;
    }

    private Expression Test(Expression value)
    {
        var negated = SkipName("not");
        var line = Current.Line;
        var name = DottedName();
        if (!Tests.Table.TryGetValue(name, out var test) && !lenient) unknown.Add(Wrong($"No test named '{name}'.", line));
        var arguments = Nodes.CallArguments.None;
        if (Current.IsSign("(")) arguments = CallArguments();
        else if (Current is { Kind: TokenKind.Text or TokenKind.Whole or TokenKind.Real } or { Kind: TokenKind.Sign, Text: "[" or "{" }
            or { Kind: TokenKind.Name, Text: not ("else" or "or" or "and") })
        {
            if (Current.IsName("is")) throw Wrong("You cannot chain multiple tests with is");
            arguments = new CallArguments([Nested(() => Postfix(Primary()))], [], null, null);
        }

        Expression tested = new Tested(value, name, test, arguments);
        return negated ? new Not(tested) : tested;
    }

    private CallArguments CallArguments()
    {
        var line = Current.Line;
        Expect("(");
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        Expression? morePositional = null, moreNamed = null;
        var any = false;
        while (!Current.IsSign(")"))
        {
            if (any) Expect(",");
            if (any && Current.IsSign(")")) break;
            any = true;
            if (Skip("*"))
            {
                Require(morePositional is null && moreNamed is null);
                morePositional = Expression();
            }
            else if (Skip("**"))
            {
                Require(moreNamed is null);
                moreNamed = Expression();
            }
            else if (Current.Kind == TokenKind.Name && Peek.IsSign("="))
            {
                Require(moreNamed is null);
                var name = Next().Text;
                Next();
                named.Add((name, Expression()));
            }
            else
            {
                Require(morePositional is null && moreNamed is null && named.Count == 0);
                positional.Add(Expression());
            }
        }

        Expect(")");
        return any ? new CallArguments([.. positional], [.. named], morePositional, moreNamed) : Nodes.CallArguments.None;

        void Require(bool condition)
        {
            if (!condition) throw Wrong("invalid syntax for function call expression", line);
        }
    }
}
