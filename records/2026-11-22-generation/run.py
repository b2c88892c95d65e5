import subprocess, json, sys, statistics, os
W=os.environ['QUERN']; cfgs=sys.argv[2:]; pairs=int(sys.argv[1])
env=os.environ
for c in cfgs:
    m,b,p,*s=c.split(',')
    ex=['--sample'] if s else []
    common=['--batch',b,'--precision',p,'--threads','2','--paced']+ex
    A=subprocess.Popen([W+'/quern','bench','generate',m,'--warmup','12']+common,stdin=subprocess.PIPE,stdout=subprocess.PIPE,text=True,env=env)
    a0=A.stdout.readline()
    B=subprocess.Popen([os.environ['PEERS'],W+'/bench/python/generate.py','--model',m,'--warmup','2']+common,stdin=subprocess.PIPE,stdout=subprocess.PIPE,stderr=subprocess.DEVNULL,text=True)
    b0=B.stdout.readline()
    def ask(P): P.stdin.write('\n'); P.stdin.flush(); return json.loads(P.stdout.readline())['tokens_per_sec']
    ask(A); ask(B); ra=[];rb=[]
    for i in range(pairs):
        for side in ('AB' if i%2==0 else 'BA'):
            (ra if side=='A' else rb).append(ask(A if side=='A' else B))
    A.stdin.close(); B.stdin.close(); A.wait(); B.wait()
    r=sorted(x/y for x,y in zip(ra,rb))
    print(c,'quern',round(statistics.median(ra),1),[round(min(ra),1),round(max(ra),1)],'hf',round(statistics.median(rb),1),[round(min(rb),1),round(max(rb),1)],'ratio',round(statistics.median(r),2),[round(r[0],2),round(r[-1],2)],flush=True)
    print(json.dumps({'config':c,'quern':ra,'hf':rb}),file=open('raw/rounds.jsonl','a'))
